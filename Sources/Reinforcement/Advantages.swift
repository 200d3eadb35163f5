/// The advantages and returns of a list of transitions.
public struct Advantages: Sendable, Equatable {
    public var advantages: [Double]
    /// advantage + value: the targets of the value estimate.
    public var returns: [Double]

    /// Generalised advantage estimation.  https://arxiv.org/abs/1506.02438
    ///
    ///     δₜ = rₜ + γ V(sₜ₊₁) − V(sₜ);  Aₜ = δₜ + γλ Aₜ₊₁
    ///
    /// V(sₜ₊₁) is 0 after a terminal step, and Aₜ₊₁ is 0 after the last step of a run.
    /// - Parameters:
    ///   - transitions: in order.
    ///   - discount: γ.
    ///   - lambda: λ.
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
