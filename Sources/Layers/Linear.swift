import Tensors

/// A linear projection: y = x · weight + bias; weight (inputs, outputs), as in GPT-2, or (outputs, inputs), as in PyTorch and Llama.
public struct Linear: Layer {
    public let name: String
    public let inputs: Int, outputs: Int
    public let hasBias: Bool
    /// Whether the weight is stored as (outputs, inputs).
    public let isTransposed: Bool
    /// Standard deviation of the weight's initial values; GPT-2's is 0.02.
    public let deviation: Double
    private let adapters: Adapters?

    /// - Parameters:
    ///   - name: prefix of the parameters' names: `NAME.weight`, `NAME.bias`.
    ///   - inputs: width of the input.
    ///   - outputs: width of the output.
    ///   - bias: whether a bias is added.
    ///   - isTransposed: whether the weight is stored as (outputs, inputs).
    ///   - deviation: standard deviation of the weight's initial values.
    ///   - adapters: low-rank adapters, used if they name this projection.
    public init(
        _ name: String, _ inputs: Int, _ outputs: Int, bias: Bool = true, isTransposed: Bool = false, deviation: Double = 0.02,
        adapters: Adapters? = nil
    ) {
        self.name = name
        self.inputs = inputs
        self.outputs = outputs
        hasBias = bias
        self.isTransposed = isTransposed
        self.deviation = deviation
        self.adapters = adapters?.adapts(name) == true ? adapters : nil
    }

    public var parameters: [Parameter] {
        var parameters = [Parameter("\(name).weight", isTransposed ? [outputs, inputs] : [inputs, outputs])]
        if hasBias { parameters.append(Parameter("\(name).bias", [outputs])) }
        if let adapters {
            parameters.append(Parameter("\(name).lora_A.weight", [adapters.rank(of: name), inputs]))
            parameters.append(Parameter("\(name).lora_B.weight", [outputs, adapters.rank(of: name)]))
        }
        return parameters
    }

    public func initialize<S: Scalar>(_ store: ParameterStore<S>, using generator: inout some RandomNumberGenerator) {
        store["\(name).weight"].fillNormal(deviation: deviation, using: &generator)
        if hasBias { store["\(name).bias"].fill(0) }
        if adapters != nil {
            store["\(name).lora_A.weight"].fillNormal(deviation: 1 / Double(3 * inputs).squareRoot(), using: &generator)
            store["\(name).lora_B.weight"].fill(0)
        }
    }

    /// x (…, inputs); returns (…, outputs).
    public func callAsFunction<S>(_ x: Tensor<S>, in graph: Graph<S>) -> Tensor<S> {
        let y = graph.linear(
            x, weight: "\(name).weight", bias: hasBias ? graph.parameter("\(name).bias") : nil, transposed: isTransposed)
        guard let adapters else { return y }
        let low = graph.linear(x, weight: graph.parameter("\(name).lora_A.weight"), transposed: true)
        let high = graph.linear(low, weight: graph.parameter("\(name).lora_B.weight"), transposed: true)
        return graph.add(y, high, scale: adapters.scale(of: name))
    }
}
