/// z = x + α·y, with y repeated until x ends
///
/// x, z (n); y (m), m divides n: a bias over rows, positions over a batch. dx += dz, dy += α Σ repeats of dz
struct AddOperator<S: Scalar>: Operator {
    let x: Input<S>, y: Input<S>
    let z: Tensor<S>
    let alpha: S

    var inputs: [Input<S>] { [x, y] }
    var outputs: [Tensor<S>] { [z] }

    @specialized(where S == Float)
    @specialized(where S == Dual<Float>)
    func forward(_ share: Share) {
        let a = S.Vector(repeating: alpha), m = y.count
        let z = self.z.storage.values
        guard m > 0 else { return }
        for start in stride(from: 0, to: x.count, by: m) {
            S.sweep(share.of(m, multiple: 16, grain: 8_192)) { i, count in
                S.store(S.load(x.values + start, i, count) + a * S.load(y.values, i, count), to: z + start, i, count)
            }
        }
    }

    @specialized(where S == Float)
    @specialized(where S == Dual<Float>)
    func backward(_ share: Share) {
        let dz = z.storage.gradient!, a = S.Vector(repeating: alpha), m = y.count
        guard m > 0 else { return }
        if let dx = x.gradient {
            S.sweep(share.of(x.count, multiple: 16, grain: 8_192)) { i, count in
                S.store(S.load(dz, i, count), to: dx, i, count, adding: x.accumulates)
            }
        }
        if let dy = y.gradient {
            S.sweep(share.of(m, multiple: 16, grain: 8_192)) { i, count in
                var sum = S.Vector(repeating: .zero)
                for start in stride(from: 0, to: x.count, by: m) { sum = sum + S.load(dz + start, i, count) }
                S.store(a * sum, to: dy, i, count, adding: y.accumulates)
            }
        }
    }
}

extension Graph {
    /// x + scale · y; y is repeated until x ends. x (n); y (m), m divides n; gives x's shape.
    ///
    /// If x is recorded along an extent, y is recorded along the same extent or along none.
    public func add(_ x: Tensor<S>, _ y: Tensor<S>, scale: Double = 1) -> Tensor<S> {
        precondition(y.extent == nil || y.extent === x.extent, "the summands vary along different extents")
        precondition(x.count.isMultiple(of: y.count), "\(y.shape) does not repeat into \(x.shape)")
        let x = Input(x), y = Input(y)
        return record(AddOperator(x: x, y: y, z: output(x.tensor.shape, of: [x, y], along: x.tensor.extent), alpha: S(scale)))
    }

    /// x − y; y is repeated until x ends.
    public func subtract(_ x: Tensor<S>, _ y: Tensor<S>) -> Tensor<S> { add(x, y, scale: -1) }
}
