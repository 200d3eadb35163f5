import Statistics

/// Remembers moments but makes no steps for them: only triggers make steps, from the remembered moments.
public struct NoUpdates: Strategy {
    public static let name = "never"

    public init() {}

    public var updates: Bool { false }
    public var replays: Bool { true }
}
