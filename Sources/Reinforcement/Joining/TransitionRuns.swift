/// Settled decisions as steps to learn from: those of a session one after another, until there are enough of all sessions.
public struct TransitionRuns: Sendable {
    private var runs: [String: [Transition]] = [:]
    public private(set) var count = 0

    public init() {}

    /// - Parameter isUsable: whether the decision may be learned from; if not, what came before it ends there.
    public mutating func append(_ settled: DecisionJoin.Settled, isUsable: Bool) {
        let session = settled.made.session
        guard isUsable else {
            if let last = runs[session]?.indices.last { runs[session]?[last].isLast = true }
            return
        }
        // Where nothing is known of what follows, it is as good as what was expected here.
        let nextValue = settled.ending == .terminal ? 0 : settled.next?.decision.value ?? settled.made.decision.value
        runs[session, default: []].append(
            Transition(
                observation: settled.made.observation, decision: settled.made.decision, reward: settled.reward,
                next: settled.next?.observation ?? settled.made.observation, nextValue: nextValue, isTerminal: settled.ending == .terminal,
                isLast: settled.next == nil))
        count += 1
    }

    /// All of them, session by session; nothing is left.
    public mutating func takeAll() -> [Transition] {
        defer { self = TransitionRuns() }
        return runs.keys.sorted().flatMap { name -> [Transition] in
            var run = runs[name] ?? []
            if !run.isEmpty { run[run.count - 1].isLast = true }
            return run
        }
    }
}
