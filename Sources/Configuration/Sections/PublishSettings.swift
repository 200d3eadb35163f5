import Signals
import Statistics

/// How a recorded session is played.
public struct PlaySettings: Codable, Sendable, Equatable {
    /// Live mode: session seconds per second.
    public var speed = 1.0

    public init() {}

    /// Every invalid setting, by key.
    var problems: [SettingsError] {
        var problems = RangeProblems()
        problems.require("speed", speed, in: 0.001...1e6)
        return problems.found
    }
}

/// What the simulator publishes.
public struct SimulateSettings: Codable, Sendable, Equatable {
    /// Moments until the session ends; 0: unlimited.
    public var moments = 2400
    /// Moments per second.
    public var rate = 20.0
    /// The simulated scene, and when it changes.
    public var world = Simulator.Configuration()

    public init() {}

    /// Every invalid setting, by key.
    var problems: [SettingsError] {
        var problems = RangeProblems()
        problems.require("moments", moments, in: 0...1_000_000_000)
        problems.require("rate", rate, in: 0.01...1000)
        return problems.found + world.problems.inSection("world")
    }
}
