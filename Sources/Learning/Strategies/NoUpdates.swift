import Statistics

/// Remembers and does not learn by itself, so that what a trigger does has something to learn.
public struct NoUpdates: Strategy {
    public static let name = "never"

    public init() {}

    public var updates: Bool { false }
    public var replays: Bool { true }
}
