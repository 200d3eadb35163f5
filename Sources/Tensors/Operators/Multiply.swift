/// z = x ⊙ y, with y repeated until x ends
///
/// x, z (n); y (m), m divides n. dx += dz ⊙ y, dy += Σ repeats of dz ⊙ x
struct MultiplyOperator<S: Scalar>: Operator {
    let x: Input<S>, y: Input<S>
    let z: Tensor<S>

    var inputs: [Input<S>] { [x, y] }
    var outputs: [Tensor<S>] { [z] }

    @specialized(where S == Float)
    @specialized(where S == Dual<Float>)
    func forward(_ share: Share) {
        let z = self.z.storage.values, m = y.count
        guard m > 0 else { return }
        for start in stride(from: 0, to: x.count, by: m) {
            S.sweep(share.of(m, multiple: 16, grain: 8_192)) { i, count in
                S.store(S.load(x.values + start, i, count) * S.load(y.values, i, count), to: z + start, i, count)
            }
        }
    }

    @specialized(where S == Float)
    @specialized(where S == Dual<Float>)
    func backward(_ share: Share) {
        let dz = z.storage.gradient!, m = y.count
        guard m > 0 else { return }
        let part = share.of(m, multiple: 16, grain: 8_192)
        if let dx = x.gradient {
            for start in stride(from: 0, to: x.count, by: m) {
                S.sweep(part) { i, count in
                    S.store(
                        S.load(dz + start, i, count) * S.load(y.values, i, count), to: dx + start, i, count,
                        adding: x.accumulates)
                }
            }
        }
        if let dy = y.gradient {
            S.sweep(part) { i, count in
                var sum = S.Vector(repeating: .zero)
                for start in stride(from: 0, to: x.count, by: m) {
                    sum = sum + S.load(dz + start, i, count) * S.load(x.values + start, i, count)
                }
                S.store(sum, to: dy, i, count, adding: y.accumulates)
            }
        }
    }
}

extension Graph {
    /// x ⊙ y; y is repeated until x ends. x (n); y (m), m divides n; gives x's shape. If x is recorded along an extent, y is recorded along
    /// the same extent or along none.
    public func multiply(_ x: Tensor<S>, _ y: Tensor<S>) -> Tensor<S> {
        precondition(y.extent == nil || y.extent === x.extent, "the factors vary along different extents")
        precondition(x.count.isMultiple(of: y.count), "\(y.shape) does not repeat into \(x.shape)")
        let x = Input(x), y = Input(y)
        return record(MultiplyOperator(x: x, y: y, z: output(x.tensor.shape, of: [x, y], along: x.tensor.extent)))
    }
}
