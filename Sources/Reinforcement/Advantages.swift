/// What an action was worth beside what was expected, and what followed it altogether.
public struct Advantages: Sendable, Equatable {
    public var advantages: [Double]
    /// advantage + value: what the value estimate is to learn.
    public var returns: [Double]

    /// Generalised advantage estimation.  https://arxiv.org/abs/1506.02438
    ///
    ///     δₜ = rₜ + γ V(sₜ₊₁) − V(sₜ);  Aₜ = δₜ + γλ Aₜ₊₁
    ///
    /// V(sₜ₊₁) is 0 after a terminal step; nothing is carried over from behind a step that is the last of its run.
    public init(of transitions: [Transition], discount: Double, lambda: Double) {
        advantages = Array(repeating: 0, count: transitions.count)
        var carried = 0.0
        for (index, step) in transitions.enumerated().reversed() {
            let follows = step.isTerminal ? 0 : step.nextValue
            let delta = step.reward + discount * follows - step.decision.value
            carried = delta + (step.isLast || step.isTerminal ? 0 : discount * lambda * carried)
            advantages[index] = carried
        }
        returns = zip(advantages, transitions).map { $0 + $1.decision.value }
    }
}
