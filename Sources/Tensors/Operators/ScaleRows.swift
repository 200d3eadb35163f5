/// z[r] = s[r] · x[r]
///
/// x, z (rows, C); s (rows): masks, gates. dx[r] += s[r] · dz[r], ds[r] += ⟨dz[r], x[r]⟩
struct ScaleRowsOperator<S: Scalar>: Operator {
    let x: Input<S>, s: Input<S>
    let z: Tensor<S>
    let C: Int

    var inputs: [Input<S>] { [x, s] }
    var outputs: [Tensor<S>] { [z] }

    @specialized(where S == Float)
    @specialized(where S == Dual<Float>)
    func forward(_ share: Share) {
        let z = self.z.storage.values
        for row in share.of(s.count, grain: 32) {
            let factor = S.Vector(repeating: s.values[row])
            S.sweep(row * C..<(row + 1) * C) { i, count in
                S.store(factor * S.load(x.values, i, count), to: z, i, count)
            }
        }
    }

    @specialized(where S == Float)
    @specialized(where S == Dual<Float>)
    func backward(_ share: Share) {
        let dz = z.storage.gradient!
        for row in share.of(s.count, grain: 32) {
            let place = row * C..<(row + 1) * C
            if let dx = x.gradient {
                let factor = S.Vector(repeating: s.values[row])
                S.sweep(place) { i, count in
                    S.store(factor * S.load(dz, i, count), to: dx, i, count, adding: x.accumulates)
                }
            }
            if let ds = s.gradient {
                var sum = S.Vector(repeating: .zero)
                S.sweep(place) { i, count in sum = sum + S.load(dz, i, count) * S.load(x.values, i, count) }
                ds[row] = s.accumulates ? ds[row] + sum.total : sum.total
            }
        }
    }
}

extension Graph {
    /// Multiplies every row by its factor. x (rows, C); factors (rows) or (rows, 1).
    public func scaleRows(_ x: Tensor<S>, by factors: Tensor<S>) -> Tensor<S> {
        precondition(x.rows == factors.count, "\(factors.shape) factors for the rows of \(x.shape)")
        let x = Input(x), s = Input(factors)
        return record(ScaleRowsOperator(x: x, s: s, z: output(x.tensor.shape, of: [x, s]), C: x.tensor.columns))
    }
}
