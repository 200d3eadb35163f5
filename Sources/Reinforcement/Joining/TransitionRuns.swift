/// Collects settled decisions as transitions, in order for each session, until there are enough to learn from.
public struct TransitionRuns: Sendable {
    private var runs: [String: [Transition]] = [:]
    /// The number of transitions of all sessions.
    public private(set) var count = 0

    public init() {}

    /// Adds a settled decision.
    /// - Parameters:
    ///   - settled: the decision.
    ///   - isUsable: whether it may be learned from; if not, it is skipped and the transition before it is the last of its run.
    public mutating func append(_ settled: DecisionJoin.Settled, isUsable: Bool) {
        let session = settled.made.session
        guard isUsable else {
            if let last = runs[session]?.indices.last { runs[session]?[last].isLast = true }
            return
        }
        // If the next decision is not known, the value estimate of this one stands in for that of the next.
        let nextValue = settled.ending == .terminal ? 0 : settled.next?.decision.value ?? settled.made.decision.value
        runs[session, default: []].append(
            Transition(
                observation: settled.made.observation, decision: settled.made.decision, reward: settled.reward,
                next: settled.next?.observation ?? settled.made.observation, nextValue: nextValue, isTerminal: settled.ending == .terminal,
                isLast: settled.next == nil))
        count += 1
    }

    /// Removes and returns all transitions, one session after the other.
    public mutating func takeAll() -> [Transition] {
        defer { self = TransitionRuns() }
        return runs.keys.sorted().flatMap { name -> [Transition] in
            var run = runs[name] ?? []
            if !run.isEmpty { run[run.count - 1].isLast = true }
            return run
        }
    }
}
