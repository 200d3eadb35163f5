/// y = Σ w ⊙ x / Σ w, one number; 0 where all weights are 0
///
/// x, w (n). dx += dy · w / Σ w
struct MeanOperator<S: Scalar>: Operator {
    let x: Input<S>
    let weights: Tensor<S>?
    let y: Tensor<S>

    var inputs: [Input<S>] { [x] }
    var outputs: [Tensor<S>] { [y] }

    @specialized(where S == Float)
    @specialized(where S == Dual<Float>)
    func forward(_ share: Share) {
        guard share.isFirst else { return }
        var sum = S.Vector(repeating: .zero)
        S.sweep(0..<x.count) { i, count in
            let value = S.load(x.values, i, count)
            sum = sum + (weights.map { value * S.load($0.storage.values, i, count) } ?? value)
        }
        let total = totalWeight
        y.storage.values[0] = total.primal == 0 ? .zero : sum.total / total
    }

    @specialized(where S == Float)
    @specialized(where S == Dual<Float>)
    func backward(_ share: Share) {
        guard share.isFirst, let dx = x.gradient else { return }
        let total = totalWeight
        let factor = S.Vector(repeating: total.primal == 0 ? .zero : y.storage.gradient![0] / total)
        S.sweep(0..<x.count) { i, count in
            let d = weights.map { factor * S.load($0.storage.values, i, count) } ?? factor
            S.store(d, to: dx, i, count, adding: x.accumulates)
        }
    }

    @inline(__always)
    private var totalWeight: S {
        guard let weights = weights?.storage.values else { return S(Double(x.count)) }
        var sum = S.Vector(repeating: .zero)
        S.sweep(0..<x.count) { i, count in sum = sum + S.load(weights, i, count) }
        return sum.total
    }
}

extension Graph {
    /// The mean of all numbers, weighted if weights are given; no gradient flows to the weights. x, weights (n); gives (1).
    public func mean(_ x: Tensor<S>, weights: Tensor<S>? = nil) -> Tensor<S> {
        precondition(weights == nil || weights!.count == x.count, "weights \(weights!.shape) for \(x.shape)")
        precondition(weights == nil || weights!.extent === x.extent, "weights along another extent")
        let x = Input(x)
        return record(MeanOperator(x: x, weights: weights, y: output([1], of: [x], along: nil)))
    }

    /// The mean of (x − target)². x, target of the same shape; gives (1).
    public func meanSquaredError(_ x: Tensor<S>, _ target: Tensor<S>) -> Tensor<S> {
        precondition(x.count == target.count, "a target \(target.shape) for \(x.shape)")
        return mean(activate(subtract(x, target), .square))
    }
}
