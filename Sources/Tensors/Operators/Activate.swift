/// The functions that `activate` applies to every number.
public enum Activation: String, Sendable, Codable, CaseIterable {
    /// GPT-2's: the tanh approximation.
    case gelu = "gelu_new"
    case relu, tanh, sigmoid, silu, exponential, logarithm, square, softplus
}

/// y = f(x) for every number. dx += dy · f′(x)
struct ActivateOperator<S: Scalar>: Operator {
    let x: Input<S>
    let y: Tensor<S>
    let function: Activation

    var inputs: [Input<S>] { [x] }
    var outputs: [Tensor<S>] { [y] }

    @specialized(where S == Float)
    @specialized(where S == Dual<Float>)
    func forward(_ share: Share) {
        let part = share.of(x.count, multiple: 16, grain: 1_024)
        switch function {
        case .gelu: apply(GELU.self, part)
        case .relu: apply(ReLU.self, part)
        case .tanh: apply(HyperbolicTangent.self, part)
        case .sigmoid: apply(Sigmoid.self, part)
        case .silu: apply(SiLU.self, part)
        case .exponential: apply(Exponential.self, part)
        case .logarithm: apply(Logarithm.self, part)
        case .square: apply(Square.self, part)
        case .softplus: apply(Softplus.self, part)
        }
    }

    @specialized(where S == Float)
    @specialized(where S == Dual<Float>)
    func backward(_ share: Share) {
        let part = share.of(x.count, multiple: 16, grain: 1_024)
        switch function {
        case .gelu: differentiate(GELU.self, part)
        case .relu: differentiate(ReLU.self, part)
        case .tanh: differentiate(HyperbolicTangent.self, part)
        case .sigmoid: differentiate(Sigmoid.self, part)
        case .silu: differentiate(SiLU.self, part)
        case .exponential: differentiate(Exponential.self, part)
        case .logarithm: differentiate(Logarithm.self, part)
        case .square: differentiate(Square.self, part)
        case .softplus: differentiate(Softplus.self, part)
        }
    }

    @inline(__always)
    private func apply<F: Formula>(_ formula: F.Type, _ part: Range<Int>) {
        let x = self.x.values, y = self.y.storage.values
        S.sweep(part) { i, count in
            S.store(F.value(S.load(x, i, count, filling: S(1))), to: y, i, count)
        }
    }

    @inline(__always)
    private func differentiate<F: Formula>(_ formula: F.Type, _ part: Range<Int>) {
        guard let dx = x.gradient else { return }
        let x = self.x.values, y = self.y.storage.values, dy = self.y.storage.gradient!
        let adding = self.x.accumulates
        S.sweep(part) { i, count in
            let slope = F.derivative(S.load(x, i, count, filling: S(1)), S.load(y, i, count))
            S.store(S.load(dy, i, count) * slope, to: dx, i, count, adding: adding)
        }
    }
}

extension Graph {
    /// Applies a function to every number. x (…); gives the same shape.
    public func activate(_ x: Tensor<S>, _ function: Activation) -> Tensor<S> {
        let x = Input(x)
        return record(ActivateOperator(x: x, y: output(x.tensor.shape, of: [x], along: x.tensor.extent), function: function))
    }
}
