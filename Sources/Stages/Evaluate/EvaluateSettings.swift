/// What the referee remembers.
public struct EvaluateSettings: Codable, Sendable, Equatable {
    /// Moments in the windowed scores.
    public var window = 500
    /// How many later moments one waits for its label before it is scored without.
    public var labelPatience = 1000
    /// Moments between two published summaries; live: also once a second.
    public var publishEvery = 8

    public init() {}
}
