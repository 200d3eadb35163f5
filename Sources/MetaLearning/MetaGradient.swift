import Tensors

/// The gradient of "adapt to the support, then be asked the query" with respect to where adapting starts.
///
///     θ₀ = start(φ),  θⱼ₊₁ = θⱼ − α ⊙ ∇Lₛ(θⱼ),  objective = L_q(θₖ)
///     v ← ∇L_q(θₖ);  for j = k−1 … 0:  dα ← dα − v ⊙ ∇Lₛ(θⱼ),  v ← v − Hⱼ (α ⊙ v);  dφ = v through the start
///
/// Hⱼ is the Hessian of the support's loss at θⱼ: its products are exact, for the hand-written backward runs over dual numbers.
/// MAML, https://arxiv.org/abs/1703.03400; its first order leaves Hⱼ out. α may be learned: https://arxiv.org/abs/1707.09835.
public final class MetaGradient<Loss: TaskLoss> {
    public typealias S = Loss.S

    /// What a task brought: the loss of its support before each step, and of its query after all.
    public struct Outcome {
        public var supportLosses: [S]
        public var queryLoss: S
    }

    public let support: Loss, query: Loss
    private let second: (any TaskLoss<Dual<S>, Loss.Examples>)?
    private let start: (any TaskStart<S, Loss.Examples>)?
    /// θ, which support and query are computed from.
    public let task: ParameterStore<S>
    private let places: LearnedPlaces
    private let v: ParameterStore<S>
    /// The learned parameters before each inner step.
    private var path: [ParameterStore<S>] = []
    /// Σ ∇Lₛ(θⱼ) over the steps of the last adapting: what first order needs for the rates.
    private let slopes: ParameterStore<S>

    /// - Parameters:
    ///   - support, query: over the same task parameters.
    ///   - second: the support's loss over dual numbers, with parameters of its own; first order without it.
    ///   - start: the meta-parameters themselves if not given.
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
        places = LearnedPlaces(support.gradients.layout, among: task.layout)
        v = ParameterStore(support.gradients.layout)
        slopes = ParameterStore(v.layout)
    }

    /// What learns, and the layout of rates and meta-gradients.
    public var layout: ParameterLayout { v.layout }

    /// Leaves the adapted parameters in `task`; gives the support's loss before each step.
    /// - Parameters:
    ///   - rates: α of every number that learns; those with 0 stay as they are.
    ///   - goesOn: asked after each step; adapting ends where it says no.
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
            places.gather(task, into: path[losses.count])
            losses.append(support.differentiate())
            places.descend(task, along: support.gradients, rates: rates)
            slopes.add(support.gradients)
        }
        return losses
    }

    /// Adds an episode's gradient to `gradient`, and with respect to the rates to `rateGradient`.
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

    /// From the last inner step to the first, v ← v − H (α ⊙ v).
    private func descendBack(
        _ second: some TaskLoss<Dual<S>, Loss.Examples>, _ examples: Loss.Examples, _ rates: ParameterStore<S>, _ steps: Int,
        _ rateGradient: ParameterStore<S>?
    ) {
        // What adapting leaves alone is the same at every step.
        task.constants(into: second.parameters)
        second.put(examples)
        for step in (0..<steps).reversed() {
            places.direct(second.parameters, at: path[step], along: v, rates: rates)
            _ = second.differentiate()
            v.subtractTangents(of: second.gradients, rates: rateGradient)
        }
    }

    private func reserve(_ steps: Int) {
        while path.count < steps { path.append(ParameterStore(v.layout)) }
    }
}
