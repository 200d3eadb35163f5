/// y = (x − mean) / std · weight + bias, over the last dimension.  https://arxiv.org/abs/1607.06450
///
/// x, y (rows, C); weight, bias (C); mean, rstd = 1/√(variance + ε) (rows), kept for backward
/// with g = dy ⊙ weight, x̂ = (x − mean) · rstd:
/// dx = rstd (g − mean(g) − x̂ · mean(g ⊙ x̂)), dweight = Σ rows of dy ⊙ x̂, dbias = Σ rows of dy
struct NormalizeRowsOperator<S: Scalar>: Operator {
    let x: Input<S>, weight: Input<S>, bias: Input<S>
    let y: Tensor<S>
    let mean: Storage<S>, rstd: Storage<S>
    let epsilon: S
    let C: Int

    var inputs: [Input<S>] { [x, weight, bias] }
    var outputs: [Tensor<S>] { [y] }

    @specialized(where S == Float)
    @specialized(where S == Dual<Float>)
    func forward(_ share: Share) {
        let weight = self.weight.values, bias = self.bias.values, perColumn = S(1 / Double(C))
        for row in share.of(y.rows, grain: 8) {
            let x = self.x.values + row * C, y = self.y.storage.values + row * C
            var sum = S.Vector(repeating: .zero)
            S.sweep(0..<C) { i, count in sum = sum + S.load(x, i, count) }
            let mean = sum.total * perColumn
            let center = S.Vector(repeating: mean)

            var squares = S.Vector(repeating: .zero)
            S.sweep(0..<C) { i, count in
                let d = S.load(x, i, count, filling: mean) - center
                squares = squares + d * d
            }
            let rstd = S(1) / S.sqrt(squares.total * perColumn + epsilon)
            let factor = S.Vector(repeating: rstd)
            S.sweep(0..<C) { i, count in
                let normal = (S.load(x, i, count) - center) * factor
                S.store(normal * S.load(weight, i, count) + S.load(bias, i, count), to: y, i, count)
            }
            self.mean.values[row] = mean
            self.rstd.values[row] = rstd
        }
    }

    @specialized(where S == Float)
    @specialized(where S == Dual<Float>)
    func backward(_ share: Share) {
        if let dx = x.gradient { differentiateRows(dx, share.of(y.rows, grain: 8)) }
        if weight.gradient != nil || bias.gradient != nil { differentiateColumns(share.of(C, multiple: 16, grain: 64)) }
    }

    @inline(__always)
    private func differentiateRows(_ gradient: UnsafeMutablePointer<S>, _ part: Range<Int>) {
        let weight = self.weight.values, perColumn = S(1 / Double(C))
        for row in part {
            let x = self.x.values + row * C, dy = y.storage.gradient! + row * C, dx = gradient + row * C
            let mean = S.Vector(repeating: self.mean.values[row]), rstd = S.Vector(repeating: self.rstd.values[row])
            var g = S.Vector(repeating: .zero), gx = S.Vector(repeating: .zero)
            S.sweep(0..<C) { i, count in
                let gain = S.load(dy, i, count) * S.load(weight, i, count)
                g = g + gain
                gx = gx + gain * (S.load(x, i, count) - mean) * rstd
            }
            let meanG = S.Vector(repeating: g.total * perColumn), meanGX = S.Vector(repeating: gx.total * perColumn)
            S.sweep(0..<C) { i, count in
                let gain = S.load(dy, i, count) * S.load(weight, i, count)
                let normal = (S.load(x, i, count) - mean) * rstd
                S.store(rstd * (gain - meanG - normal * meanGX), to: dx, i, count, adding: self.x.accumulates)
            }
        }
    }

    @inline(__always)
    private func differentiateColumns(_ part: Range<Int>) {
        let x = self.x.values, dy = y.storage.gradient!, rows = y.rows
        let means = self.mean.values, rstds = self.rstd.values
        S.sweep(part) { i, count in
            var sum = S.Vector(repeating: .zero), normalSum = S.Vector(repeating: .zero)
            for row in 0..<rows {
                let d = S.load(dy + row * C, i, count)
                let mean = S.Vector(repeating: means[row]), rstd = S.Vector(repeating: rstds[row])
                sum = sum + d
                normalSum = normalSum + d * (S.load(x + row * C, i, count) - mean) * rstd
            }
            if let dWeight = weight.gradient { S.store(normalSum, to: dWeight, i, count, adding: weight.accumulates) }
            if let dBias = bias.gradient { S.store(sum, to: dBias, i, count, adding: bias.accumulates) }
        }
    }
}

extension Graph {
    /// Layer normalisation of every row. x (…, C); weight, bias (C).
    public func normalizeRows(_ x: Tensor<S>, weight: Tensor<S>, bias: Tensor<S>, epsilon: Double = 1e-5) -> Tensor<S> {
        let C = x.columns
        precondition(weight.count == C && bias.count == C, "weight \(weight.shape), bias \(bias.shape) for rows of \(x.shape)")
        let x = Input(x), weight = Input(weight), bias = Input(bias)
        let y = output(x.tensor.shape, of: [x, weight, bias], along: x.tensor.extent)
        return record(
            NormalizeRowsOperator(
                x: x, weight: weight, bias: bias, y: y, mean: memory(y.rows),
                rstd: memory(y.rows), epsilon: S(epsilon), C: C))
    }
}
