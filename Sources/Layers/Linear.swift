import Tensors

/// y = x · weight + bias; weight (inputs, outputs), as GPT-2 keeps its projections.
public struct Linear: Layer {
    public let name: String
    public let inputs: Int, outputs: Int
    public let hasBias: Bool
    /// Of the weight's starting values; GPT-2's is 0.02.
    public let deviation: Double

    public init(_ name: String, _ inputs: Int, _ outputs: Int, bias: Bool = true, deviation: Double = 0.02) {
        self.name = name
        self.inputs = inputs
        self.outputs = outputs
        hasBias = bias
        self.deviation = deviation
    }

    public var parameters: [Parameter] {
        [Parameter("\(name).weight", [inputs, outputs])] + (hasBias ? [Parameter("\(name).bias", [outputs])] : [])
    }

    public func initialize<S: Scalar>(_ store: ParameterStore<S>, using generator: inout some RandomNumberGenerator) {
        store["\(name).weight"].fillNormal(deviation: deviation, using: &generator)
        if hasBias { store["\(name).bias"].fill(0) }
    }

    /// x (…, inputs); gives (…, outputs).
    public func callAsFunction<S>(_ x: Tensor<S>, in graph: Graph<S>) -> Tensor<S> {
        graph.linear(
            x, weight: graph.parameter("\(name).weight"), bias: hasBias ? graph.parameter("\(name).bias") : nil)
    }
}
