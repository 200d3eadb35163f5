import Tensors

/// The loss of proximal policy optimisation over a batch, to be minimised.  https://arxiv.org/abs/1707.06347
///
///     r = e^(ln π − ln π_old)
///     policy = −mean(min(r A, clip(r, 1 − ε, 1 + ε) A))
///     value = ½ mean((V − R)²), or with clipping ½ mean(max((V − R)², (V_old + clip(V − V_old, −ε, ε) − R)²))
///     total = policy + c_v · value − c_e · mean(entropy)
public struct PPOLoss<S: Scalar> {
    public let total: Tensor<S>, policy: Tensor<S>, value: Tensor<S>, entropy: Tensor<S>
    /// Inputs, (rows) each: ln π_old, A, R, V_old and the weight of each row.
    public let oldLogProbabilities: Tensor<S>, advantages: Tensor<S>, returns: Tensor<S>, oldValues: Tensor<S>, weights: Tensor<S>
    private let logRatios: Tensor<S>

    /// Records the loss in a graph.
    /// - Parameters:
    ///   - distribution: the policy's distribution over actions.
    ///   - values: (rows): V.
    ///   - clip: ε.
    ///   - valueWeight: c_v.
    ///   - entropyWeight: c_e.
    ///   - clipsValues: whether the value loss is clipped.
    ///   - extra: a further loss to add, one number.
    ///   - graph: the graph.
    public init(
        _ distribution: some ActionDistribution<S>, values: Tensor<S>, clip: Double, valueWeight: Double, entropyWeight: Double,
        clipsValues: Bool, extra: Tensor<S>? = nil, in graph: Graph<S>
    ) {
        let rows = values.count
        func input() -> Tensor<S> { graph.input([rows]) }
        (oldLogProbabilities, advantages, returns, oldValues, weights) = (input(), input(), input(), input(), input())
        weights.fill(S(1))

        logRatios = graph.subtract(distribution.logProbability.reshaped([rows]), oldLogProbabilities)
        let ratios = graph.activate(logRatios, .exponential)
        let surrogate = graph.minimum(
            graph.multiply(ratios, advantages), graph.multiply(graph.clip(ratios, 1 - clip...1 + clip), advantages))
        policy = graph.affine(graph.mean(surrogate, weights: weights), scale: -1)

        let error = graph.activate(graph.subtract(values, returns), .square)
        var squares = error
        if clipsValues {
            let moved = graph.add(graph.clip(graph.subtract(values, oldValues), -clip...clip), oldValues)
            squares = graph.maximum(error, graph.activate(graph.subtract(moved, returns), .square))
        }
        value = graph.affine(graph.mean(squares, weights: weights), scale: 0.5)
        entropy = graph.mean(distribution.entropy, weights: distribution.entropy.count == rows ? weights : nil)
        let both = graph.add(graph.add(policy, value, scale: valueWeight), entropy, scale: -entropyWeight)
        total = extra.map { graph.add(both, $0) } ?? both
    }

    /// After a forward pass: mean((r − 1) − ln r), an estimate of KL(π_old ‖ π) in nats that is never negative.
    /// http://joschu.net/blog/kl-approx.html
    public var divergence: Double {
        var sum = 0.0, total = 0.0
        for row in 0..<weights.count where weights.values[row].primal > 0 {
            let logRatio = logRatios.values[row]
            sum += (S.exp(logRatio) - S(1) - logRatio).primal * weights.values[row].primal
            total += weights.values[row].primal
        }
        return total > 0 ? sum / total : 0
    }
}
