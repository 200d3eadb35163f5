/// What the referee remembers.
public struct EvaluateSettings: Codable, Sendable, Equatable {
    /// Moments in the windowed scores.
    public var window = 500
    /// How many later moments one waits for its label before it is scored without.
    public var labelPatience = 1000
    /// Moments between two published summaries; live: also once a second.
    public var publishEvery = 8

    /// Every so manieth moment is never learned from, and kept to test domains on; 0: domains are tested on moments that were learned.
    public var holdOut = 0
    /// Moments of each domain that are kept to test it on later.
    public var domainSample = 100
    /// Domains told apart at most; later ones count as the last.
    public var maximumDomains = 32
    /// A detector on the loss whose drift begins a new domain, where readings name none; empty: none does.
    public var domainDetector = ""

    public init() {}
}
