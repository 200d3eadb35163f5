import Statistics

/// Whether sessions' adapters are worth it: by how much they lowered the loss of moments that nobody had learned from, over the newest tasks.
///
/// Adapters are trusted while the mean lies two standard errors above nothing, from eight tasks on.
public struct PersonalGain {
    /// Tasks that are looked back on; 0: trusted unproven.
    public let capacity: Int
    /// Nats, the oldest task first.
    public private(set) var tasks: [Float] = []

    public static let fewestTasks = 8

    public init(capacity: Int, tasks: [Float] = []) {
        self.capacity = capacity
        self.tasks = tasks.suffix(capacity)
    }

    /// - Parameter gain: mean loss of a task's query with the shared model, less that with the session's adapters.
    public mutating func add(_ gain: Float) {
        guard capacity > 0 else { return }
        tasks.append(gain.isFinite ? gain : -10)  // what is not a number does harm
        if tasks.count > capacity { tasks.removeFirst() }
    }

    /// 0 while there is no task.
    public var mean: Double { moments.mean }

    /// Two standard errors below the mean; nothing is certain of fewer than eight tasks.
    public var lowerBound: Double {
        let moments = moments
        return tasks.count < Self.fewestTasks ? -.infinity : moments.mean - 2 * moments.standardDeviation / Double(tasks.count).squareRoot()
    }

    public var isTrusted: Bool { capacity == 0 || lowerBound > 0 }

    /// Summed afresh, so that no rounding builds up.
    private var moments: RunningMoments { tasks.reduce(into: RunningMoments()) { $0.add(Double($1)) } }
}
