/// y = α·x + β, with constants. dx += α · dy
struct AffineOperator<S: Scalar>: Operator {
    let x: Input<S>
    let y: Tensor<S>
    let alpha: S, beta: S

    var inputs: [Input<S>] { [x] }
    var outputs: [Tensor<S>] { [y] }

    @specialized(where S == Float)
    @specialized(where S == Dual<Float>)
    func forward(_ share: Share) {
        let a = S.Vector(repeating: alpha), b = S.Vector(repeating: beta), y = self.y.storage.values
        S.sweep(share.of(x.count, multiple: 16, grain: 8_192)) { i, count in
            S.store(a * S.load(x.values, i, count) + b, to: y, i, count)
        }
    }

    @specialized(where S == Float)
    @specialized(where S == Dual<Float>)
    func backward(_ share: Share) {
        guard let dx = x.gradient else { return }
        let dy = y.storage.gradient!, a = S.Vector(repeating: alpha)
        S.sweep(share.of(x.count, multiple: 16, grain: 8_192)) { i, count in
            S.store(a * S.load(dy, i, count), to: dx, i, count, adding: x.accumulates)
        }
    }
}

extension Graph {
    /// scale · x + offset, with constants.
    public func affine(_ x: Tensor<S>, scale: Double = 1, offset: Double = 0) -> Tensor<S> {
        let x = Input(x)
        return record(AffineOperator(x: x, y: output(x.tensor.shape, of: [x], along: x.tensor.extent), alpha: S(scale), beta: S(offset)))
    }
}
