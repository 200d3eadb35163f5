import Tensors

/// Two projections with a function between, by GPT-2's names.
public struct MLP: Layer {
    private let widen: Linear
    private let narrow: Linear
    private let activation: Activation

    /// - Parameter outputs: the same as inputs if not given.
    public init(
        _ name: String, _ inputs: Int, hidden: Int, outputs: Int? = nil, activation: Activation = .gelu,
        deviation: Double = 0.02, joinDeviation: Double = 0.02, adapters: Adapters? = nil
    ) {
        widen = Linear("\(name).c_fc", inputs, hidden, deviation: deviation, adapters: adapters)
        narrow = Linear("\(name).c_proj", hidden, outputs ?? inputs, deviation: joinDeviation, adapters: adapters)
        self.activation = activation
    }

    public var parameters: [Parameter] { [widen, narrow].parameters }

    public func initialize<S: Scalar>(_ store: ParameterStore<S>, using generator: inout some RandomNumberGenerator) {
        [widen, narrow].initialize(store, using: &generator)
    }

    /// x (…, inputs); gives (…, outputs).
    public func callAsFunction<S>(_ x: Tensor<S>, in graph: Graph<S>) -> Tensor<S> {
        narrow(graph.activate(widen(x, in: graph), activation), in: graph)
    }
}
