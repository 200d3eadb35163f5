/// y[b] = Σ m[b, t] · x[b, t] / Σ m[b, t] over t; zeros where the mask is empty
///
/// x (B·T, C), m (B, T), y (B, C). dx[b, t] += m[b, t] / Σ m[b] · dy[b]
struct PoolRowsOperator<S: Scalar>: Operator {
    let x: Input<S>
    let mask: Tensor<S>?
    let y: Tensor<S>
    let T: Int, C: Int

    var inputs: [Input<S>] { [x] }
    var outputs: [Tensor<S>] { [y] }

    @specialized(where S == Float)
    @specialized(where S == Dual<Float>)
    func forward(_ share: Share) {
        let x = self.x.values, y = self.y.storage.values
        for b in 0..<self.y.rows {
            let factor = self.factor(b)
            S.sweep(share.of(C, multiple: 16, grain: 64)) { i, count in
                var sum = S.Vector(repeating: .zero)
                for t in 0..<T {
                    sum = sum + S.Vector(repeating: factor * weight(b, t)) * S.load(x + (b * T + t) * C, i, count)
                }
                S.store(sum, to: y + b * C, i, count)
            }
        }
    }

    @specialized(where S == Float)
    @specialized(where S == Dual<Float>)
    func backward(_ share: Share) {
        guard let dx = x.gradient else { return }
        let dy = y.storage.gradient!
        for b in 0..<y.rows {
            let factor = self.factor(b)
            for t in 0..<T {
                let part = S.Vector(repeating: factor * weight(b, t))
                S.sweep(share.of(C, multiple: 16, grain: 64)) { i, count in
                    S.store(part * S.load(dy + b * C, i, count), to: dx + (b * T + t) * C, i, count, adding: x.accumulates)
                }
            }
        }
    }

    @inline(__always)
    private func weight(_ b: Int, _ t: Int) -> S { mask.map { $0.storage.values[b * T + t] } ?? S(1) }

    @inline(__always)
    private func factor(_ b: Int) -> S {
        var total = S.zero
        for t in 0..<T { total = total + weight(b, t) }
        return total.primal == 0 ? .zero : S(1) / total
    }
}

extension Graph {
    /// The mean over the rows of each of `batch` sequences. x (batch·T, C); mask (batch, T), 1 where present; gives (batch, C).
    public func poolRows(_ x: Tensor<S>, batch: Int, mask: Tensor<S>? = nil) -> Tensor<S> {
        precondition(x.rows.isMultiple(of: batch), "\(x.shape) in a batch of \(batch)")
        precondition(mask == nil || mask!.count == x.rows, "a mask \(mask!.shape) for the rows of \(x.shape)")
        let x = Input(x), C = x.tensor.columns
        return record(PoolRowsOperator(x: x, mask: mask, y: output([batch, C], of: [x]), T: x.tensor.rows / batch, C: C))
    }
}
