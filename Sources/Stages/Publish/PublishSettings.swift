import Signals

/// How a recorded session is played.
public struct PlaySettings: Codable, Sendable, Equatable {
    /// Live: session seconds that pass in a second.
    public var speed = 1.0

    public init() {}
}

/// What the embedded default shows.
public struct SimulateSettings: Codable, Sendable, Equatable {
    /// Moments until the session ends; 0: it never does.
    public var moments = 2400
    /// Moments a second.
    public var rate = 20.0
    /// What happens on the table, and when it changes.
    public var world = Simulator.Configuration()

    public init() {}
}
