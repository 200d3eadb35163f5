/// y = softmax(x), or its logarithm, over the last dimension
///
/// x, y (rows, C). softmax: dx = y ⊙ (dy − Σ dy ⊙ y); logarithm: dx = dy − eʸ Σ dy
struct SoftmaxOperator<S: Scalar>: Operator {
    let x: Input<S>
    let y: Tensor<S>
    let isLogarithm: Bool

    var inputs: [Input<S>] { [x] }
    var outputs: [Tensor<S>] { [y] }

    @specialized(where S == Float)
    @specialized(where S == Dual<Float>)
    func forward(_ share: Share) {
        let C = y.columns
        for row in share.of(y.rows, grain: 16) {
            let x = self.x.values + row * C, y = self.y.storage.values + row * C
            let (largest, sum) = S.peakAndSum(x, C)
            if isLogarithm {
                let level = S.Vector(repeating: largest + S.log(sum))
                S.sweep(0..<C) { i, count in S.store(S.load(x, i, count) - level, to: y, i, count) }
            } else {
                let peak = S.Vector(repeating: largest), factor = S.Vector(repeating: S(1) / sum)
                S.sweep(0..<C) { i, count in S.store(S.Vector.exp(S.load(x, i, count) - peak) * factor, to: y, i, count) }
            }
        }
    }

    @specialized(where S == Float)
    @specialized(where S == Dual<Float>)
    func backward(_ share: Share) {
        guard let gradient = x.gradient else { return }
        let C = y.columns, adding = x.accumulates
        for row in share.of(y.rows, grain: 16) {
            let y = self.y.storage.values + row * C, dy = self.y.storage.gradient! + row * C, dx = gradient + row * C
            var sum = S.Vector(repeating: .zero)
            S.sweep(0..<C) { i, count in
                sum = sum + (isLogarithm ? S.load(dy, i, count) : S.load(dy, i, count) * S.load(y, i, count))
            }
            let total = S.Vector(repeating: sum.total)
            S.sweep(0..<C) { i, count in
                let (d, value) = (S.load(dy, i, count), S.load(y, i, count))
                S.store(isLogarithm ? d - S.Vector.exp(value) * total : value * (d - total), to: dx, i, count, adding: adding)
            }
        }
    }
}

extension Scalar {
    /// max x and Σ e^(x − max x) of a row.
    @inline(__always)
    static func peakAndSum(_ x: UnsafeMutablePointer<Self>, _ C: Int) -> (largest: Self, sum: Self) {
        var top = Vector(repeating: x[0])
        sweep(0..<C) { i, count in top = Vector.maximum(top, load(x, i, count, filling: x[0])) }
        let largest = top.largest, peak = Vector(repeating: largest)
        var sum = Vector(repeating: .zero)
        sweep(0..<C / Vector.width * Vector.width) { i, count in sum = sum + Vector.exp(load(x, i, count) - peak) }
        var total = sum.total
        for i in C / Vector.width * Vector.width..<C { total = total + Self.exp(x[i] - largest) }
        return (largest, total)
    }
}

extension Graph {
    /// Every row as probabilities. x (…, C).
    public func softmax(_ x: Tensor<S>) -> Tensor<S> { softmax(x, isLogarithm: false) }

    /// Every row as log-probabilities. x (…, C).
    public func logSoftmax(_ x: Tensor<S>) -> Tensor<S> { softmax(x, isLogarithm: true) }

    private func softmax(_ x: Tensor<S>, isLogarithm: Bool) -> Tensor<S> {
        let x = Input(x)
        return record(SoftmaxOperator(x: x, y: output(x.tensor.shape, of: [x]), isLogarithm: isLogarithm))
    }
}
