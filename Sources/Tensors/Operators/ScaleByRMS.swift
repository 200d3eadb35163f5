/// y = x / rms(x) · weight over the last dimension, rms(x) = √(mean(x²) + ε).  https://arxiv.org/abs/1910.07467
///
/// x, y (rows, C); weight (C); rstd = 1/rms (rows), kept for backward
/// with g = dy ⊙ weight, x̂ = x · rstd:
/// dx = rstd (g − x̂ · mean(g ⊙ x̂)), dweight = Σ rows of dy ⊙ x̂
struct ScaleByRMSOperator<S: Scalar>: Operator {
    let x: Input<S>, weight: Input<S>
    let y: Tensor<S>
    let rstd: Storage<S>
    let epsilon: S
    let C: Int

    var inputs: [Input<S>] { [x, weight] }
    var outputs: [Tensor<S>] { [y] }

    @specialized(where S == Float)
    @specialized(where S == Dual<Float>)
    func forward(_ share: Share) {
        let weight = self.weight.values, perColumn = S(1 / Double(C))
        for row in share.of(y.rows, grain: 8) {
            let x = self.x.values + row * C, y = self.y.storage.values + row * C
            var squares = S.Vector(repeating: .zero)
            S.sweep(0..<C) { i, count in
                let value = S.load(x, i, count)
                squares = squares + value * value
            }
            let rstd = S(1) / S.sqrt(squares.total * perColumn + epsilon)
            let factor = S.Vector(repeating: rstd)
            S.sweep(0..<C) { i, count in S.store(S.load(x, i, count) * factor * S.load(weight, i, count), to: y, i, count) }
            self.rstd.values[row] = rstd
        }
    }

    @specialized(where S == Float)
    @specialized(where S == Dual<Float>)
    func backward(_ share: Share) {
        if let dx = x.gradient { differentiateRows(dx, share.of(y.rows, grain: 8)) }
        if let dWeight = weight.gradient { differentiateColumns(dWeight, share.of(C, multiple: 16, grain: 64)) }
    }

    @inline(__always)
    private func differentiateRows(_ gradient: UnsafeMutablePointer<S>, _ part: Range<Int>) {
        let weight = self.weight.values, perColumn = S(1 / Double(C))
        for row in part {
            let x = self.x.values + row * C, dy = y.storage.gradient! + row * C, dx = gradient + row * C
            let rstd = S.Vector(repeating: self.rstd.values[row])
            var gx = S.Vector(repeating: .zero)
            S.sweep(0..<C) { i, count in gx = gx + S.load(dy, i, count) * S.load(weight, i, count) * S.load(x, i, count) * rstd }
            let meanGX = S.Vector(repeating: gx.total * perColumn)
            S.sweep(0..<C) { i, count in
                let gain = S.load(dy, i, count) * S.load(weight, i, count)
                S.store(rstd * (gain - S.load(x, i, count) * rstd * meanGX), to: dx, i, count, adding: self.x.accumulates)
            }
        }
    }

    @inline(__always)
    private func differentiateColumns(_ dWeight: UnsafeMutablePointer<S>, _ part: Range<Int>) {
        let x = self.x.values, dy = y.storage.gradient!, rows = y.rows, rstds = self.rstd.values
        S.sweep(part) { i, count in
            var sum = S.Vector(repeating: .zero)
            for row in 0..<rows {
                sum = sum + S.load(dy + row * C, i, count) * S.load(x + row * C, i, count) * S.Vector(repeating: rstds[row])
            }
            S.store(sum, to: dWeight, i, count, adding: weight.accumulates)
        }
    }
}

extension Graph {
    /// Root mean square normalisation of every row. x (…, C); weight (C).
    public func scaleByRMS(_ x: Tensor<S>, weight: Tensor<S>, epsilon: Double = 1e-5) -> Tensor<S> {
        let C = x.columns
        precondition(weight.count == C, "weight \(weight.shape) for rows of \(x.shape)")
        let x = Input(x), weight = Input(weight)
        let y = output(x.tensor.shape, of: [x, weight], along: x.tensor.extent)
        return record(ScaleByRMSOperator(x: x, weight: weight, y: y, rstd: memory(y.rows), epsilon: S(epsilon), C: C))
    }
}
