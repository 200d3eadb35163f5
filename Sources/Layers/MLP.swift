import Tensors

/// A multilayer perceptron of two projections with an activation between them, with GPT-2's parameter names.
public struct MLP: Layer {
    private let widen: Linear
    private let narrow: Linear
    private let activation: Activation

    /// - Parameters:
    ///   - hidden: width between the two projections.
    ///   - outputs: width of the output; nil for that of the input.
    ///   - deviation: standard deviation of the first projection's initial weights.
    ///   - outputDeviation: that of the second projection's.
    public init(
        _ name: String, _ inputs: Int, hidden: Int, outputs: Int? = nil, activation: Activation = .gelu,
        deviation: Double = 0.02, outputDeviation: Double = 0.02, adapters: Adapters? = nil
    ) {
        widen = Linear("\(name).c_fc", inputs, hidden, deviation: deviation, adapters: adapters)
        narrow = Linear("\(name).c_proj", hidden, outputs ?? inputs, deviation: outputDeviation, adapters: adapters)
        self.activation = activation
    }

    public var parameters: [Parameter] { [widen, narrow].parameters }

    public func initialize<S: Scalar>(_ store: ParameterStore<S>, using generator: inout some RandomNumberGenerator) {
        [widen, narrow].initialize(store, using: &generator)
    }

    /// x (…, inputs); returns (…, outputs).
    public func callAsFunction<S>(_ x: Tensor<S>, in graph: Graph<S>) -> Tensor<S> {
        narrow(graph.activate(widen(x, in: graph), activation), in: graph)
    }
}
