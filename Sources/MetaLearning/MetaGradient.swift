import Tensors

/// The meta-gradient: the gradient of the query loss after adapting to the support, with respect to the initial parameters.
///
///     θ₀ = start(φ),  θⱼ₊₁ = θⱼ − α ⊙ ∇Lₛ(θⱼ),  objective = L_q(θₖ)
///     v ← ∇L_q(θₖ)
///     for j = k−1 … 0:  dα ← dα − v ⊙ ∇Lₛ(θⱼ),  v ← v − Hⱼ (α ⊙ v)
///     dφ = v back-propagated through the start
///
/// Hⱼ is the Hessian of the support's loss at θⱼ. Products with it are exact: the backward pass is run over dual numbers.
/// MAML, https://arxiv.org/abs/1703.03400; its first-order variant omits Hⱼ. α may be learned: https://arxiv.org/abs/1707.09835.
public final class MetaGradient<Loss: TaskLoss> {
    public typealias S = Loss.S

    /// The losses of an episode: of its support before each step, and of its query after all steps.
    public struct Outcome {
        public var supportLosses: [S]
        public var queryLoss: S
    }

    public let support: Loss, query: Loss
    private let second: (any TaskLoss<Dual<S>, Loss.Examples>)?
    private let start: (any TaskStart<S, Loss.Examples>)?
    /// θ, the parameters of support and query.
    public let task: ParameterStore<S>
    private let learnedSubset: LearnedSubset
    private let v: ParameterStore<S>
    /// The learned parameters before each inner step.
    private var path: [ParameterStore<S>] = []
    /// Σ ∇Lₛ(θⱼ) over the steps of the last adaptation, used by the first-order gradient of the rates.
    private let slopes: ParameterStore<S>

    /// - Parameters:
    ///   - support: the loss of the support.
    ///   - query: the loss of the query, over the same parameters.
    ///   - second: the support's loss over dual numbers, with its own parameters; nil for first order.
    ///   - start: the initial parameters of a task; nil for a copy of the meta-parameters.
    public init(
        support: Loss, query: Loss, second: (any TaskLoss<Dual<S>, Loss.Examples>)? = nil,
        start: (any TaskStart<S, Loss.Examples>)? = nil
    ) {
        precondition(support.parameters === query.parameters, "support and query adapt the same parameters")
        precondition(support.gradients.layout == query.gradients.layout, "support and query learn different parameters")
        precondition(second == nil || second!.gradients.layout == support.gradients.layout, "the second order learns other parameters")
        self.support = support
        self.query = query
        self.second = second
        self.start = start
        task = support.parameters
        learnedSubset = LearnedSubset(support.gradients.layout, among: task.layout)
        v = ParameterStore(support.gradients.layout)
        slopes = ParameterStore(v.layout)
    }

    /// The layout of the learned parameters, and of rates and meta-gradients.
    public var layout: ParameterLayout { v.layout }

    /// Adapts to a task; the adapted parameters are left in `task`.
    /// - Parameters:
    ///   - examples: the support.
    ///   - meta: the meta-parameters φ.
    ///   - rates: α for every learned number; numbers with a rate of 0 do not change.
    ///   - steps: the maximum number of steps.
    ///   - goesOn: called after each step; adapting ends when it returns false.
    /// - Returns: the support's loss before each step.
    @discardableResult
    public func adapt(
        _ examples: Loss.Examples, from meta: ParameterStore<S>, rates: ParameterStore<S>, steps: Int, goesOn: () -> Bool = { true }
    ) -> [S] {
        task.assign(from: meta)
        start?.begin(examples, from: meta, into: task)
        support.put(examples)
        reserve(steps)
        slopes.values.fill(0)
        var losses: [S] = []
        while losses.count < steps, losses.isEmpty || goesOn() {
            learnedSubset.gather(task, into: path[losses.count])
            losses.append(support.differentiate())
            learnedSubset.descend(task, along: support.gradients, rates: rates)
            slopes.add(support.gradients)
        }
        return losses
    }

    /// Adds an episode's gradient with respect to the meta-parameters to `gradient`, and with respect to the rates to `rateGradient`.
    @discardableResult
    public func add(
        _ episode: Episode<Loss.Examples>, from meta: ParameterStore<S>, rates: ParameterStore<S>, steps: Int,
        to gradient: ParameterStore<S>, rateGradient: ParameterStore<S>? = nil
    ) -> Outcome {
        let supportLosses = adapt(episode.support, from: meta, rates: rates, steps: steps)
        query.put(episode.query)
        let queryLoss = query.differentiate()
        v.assign(from: query.gradients)
        if let second {
            descendBack(second, episode.support, rates, steps, rateGradient)
        } else if let rateGradient {
            rateGradient.subtractProduct(v, slopes)
        }
        start?.pullBack(v)
        gradient.add(v)
        return Outcome(supportLosses: supportLosses, queryLoss: queryLoss)
    }

    /// v ← v − H (α ⊙ v), from the last inner step to the first.
    private func descendBack(
        _ second: some TaskLoss<Dual<S>, Loss.Examples>, _ examples: Loss.Examples, _ rates: ParameterStore<S>, _ steps: Int,
        _ rateGradient: ParameterStore<S>?
    ) {
        // Parameters that are not adapted are the same at every step.
        task.constants(into: second.parameters)
        second.put(examples)
        for step in (0..<steps).reversed() {
            learnedSubset.setTangents(second.parameters, at: path[step], along: v, rates: rates)
            _ = second.differentiate()
            v.subtractTangents(of: second.gradients, rates: rateGradient)
        }
    }

    private func reserve(_ steps: Int) {
        while path.count < steps { path.append(ParameterStore(v.layout)) }
    }
}
