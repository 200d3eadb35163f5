import Statistics

/// Estimates whether the adapters of sessions are useful: by how much they have lowered the loss on held-out moments, over the newest
/// tasks.
///
/// Adapters are trusted while the mean is more than two standard errors above zero, over at least eight tasks.
public struct PersonalGain {
    /// The number of tasks that are kept; with 0 adapters are always trusted.
    public let capacity: Int
    /// The gain of each task in nats, oldest first.
    public private(set) var tasks: [Float] = []

    /// The minimum number of tasks for adapters to be trusted.
    public static let fewestTasks = 8

    public init(capacity: Int, tasks: [Float] = []) {
        self.capacity = capacity
        self.tasks = tasks.suffix(capacity)
    }

    /// Adds a task.
    /// - Parameter gain: the mean loss of the task's query with the shared model minus that with the session's adapters, in nats.
    public mutating func add(_ gain: Float) {
        guard capacity > 0 else { return }
        tasks.append(gain.isFinite ? gain : -10)  // a gain that is not finite counts as harmful
        if tasks.count > capacity { tasks.removeFirst() }
    }

    /// The mean gain in nats; 0 before the first task.
    public var mean: Double { moments.mean }

    /// The mean minus two standard errors; −∞ for fewer than eight tasks.
    public var lowerBound: Double {
        let moments = moments
        return tasks.count < Self.fewestTasks ? -.infinity : moments.mean - 2 * moments.standardDeviation / Double(tasks.count).squareRoot()
    }

    /// Whether adapters are trusted.
    public var isTrusted: Bool { capacity == 0 || lowerBound > 0 }

    /// Computed anew at each call, so that rounding errors do not accumulate.
    private var moments: RunningMoments { tasks.reduce(into: RunningMoments()) { $0.add(Double($1)) } }
}
