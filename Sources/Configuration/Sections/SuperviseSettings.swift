import Statistics

/// When a stage that ended is restarted, and how long starting and stopping may take.
public struct SuperviseSettings: Codable, Sendable, Equatable {
    /// Delay before the first restart, in seconds; it doubles with every further restart in a row.
    public var restartDelay = 0.2
    /// The longest delay between restarts, in seconds.
    public var maximumRestartDelay = 10.0
    /// Restarts in a row after which the supervisor gives up.
    public var maximumRestarts = 8
    /// A stage that has run this long, in seconds, counts as recovered.
    public var healthyAfter = 10.0
    /// How long a stage may take to stop before it is killed, in seconds.
    public var stopGrace = 10.0
    /// A process that publishes no status for this long, in seconds, and uses no processor time meanwhile counts as hanging: it is killed
    /// and restarted. One that uses processor time is given thirty times as long.
    public var silence = 20.0
    /// How long the graph may take to start, in seconds.
    public var startTimeout = 60.0
    /// Bytes that the processes of the graph may use together, by the estimate of `accrete validate`; 0: the machine's memory.
    public var memoryLimit = 0

    public init() {}

    /// Every invalid setting, by key.
    var problems: [SettingsError] {
        var problems = RangeProblems()
        problems.require("restartDelay", restartDelay, in: 0.01...3600)
        let least = (0.01...3600).contains(restartDelay) ? restartDelay : 0.01
        problems.require("maximumRestartDelay", maximumRestartDelay, in: least...86_400)
        problems.require("maximumRestarts", maximumRestarts, in: 0...1_000_000)
        problems.require("healthyAfter", healthyAfter, in: 0...86_400)
        problems.require("stopGrace", stopGrace, in: 0.1...3600)
        problems.require("silence", silence, in: 2...3600)
        problems.require("startTimeout", startTimeout, in: 1...3600)
        problems.require("memoryLimit", memoryLimit, in: 0...1 << 50)
        return problems.found
    }
}
