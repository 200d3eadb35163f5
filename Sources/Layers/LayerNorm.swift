import Tensors

/// Layer normalisation over the last dimension.  https://arxiv.org/abs/1607.06450
public struct LayerNorm: Layer {
    public let name: String
    public let width: Int
    public let epsilon: Double

    public init(_ name: String, _ width: Int, epsilon: Double = 1e-5) {
        self.name = name
        self.width = width
        self.epsilon = epsilon
    }

    public var parameters: [Parameter] { [Parameter("\(name).weight", [width]), Parameter("\(name).bias", [width])] }

    public func initialize<S: Scalar>(_ store: ParameterStore<S>, using generator: inout some RandomNumberGenerator) {
        store["\(name).weight"].fill(1)
        store["\(name).bias"].fill(0)
    }

    /// x (…, width); returns the same shape.
    public func callAsFunction<S>(_ x: Tensor<S>, in graph: Graph<S>) -> Tensor<S> {
        graph.normalizeRows(
            x, weight: graph.parameter("\(name).weight"), bias: graph.parameter("\(name).bias"), epsilon: epsilon)
    }
}
