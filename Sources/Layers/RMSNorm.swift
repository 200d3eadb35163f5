import Tensors

/// Root mean square normalisation over the last dimension.  https://arxiv.org/abs/1910.07467
public struct RMSNorm: Layer {
    public let name: String
    public let width: Int
    public let epsilon: Double

    public init(_ name: String, _ width: Int, epsilon: Double = 1e-5) {
        self.name = name
        self.width = width
        self.epsilon = epsilon
    }

    public var parameters: [Parameter] { [Parameter("\(name).weight", [width])] }

    public func initialize<S: Scalar>(_ store: ParameterStore<S>, using generator: inout some RandomNumberGenerator) {
        store["\(name).weight"].fill(1)
    }

    /// x (…, width); returns the same shape.
    public func callAsFunction<S>(_ x: Tensor<S>, in graph: Graph<S>) -> Tensor<S> {
        graph.scaleByRMS(x, weight: graph.parameter("\(name).weight"), epsilon: epsilon)
    }
}
