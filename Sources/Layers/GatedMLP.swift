import Tensors

/// SwiGLU: down(silu(gate(x)) ⊙ up(x)), with the parameter names of Hugging Face's Llama.  https://arxiv.org/abs/2002.05202
public struct GatedMLP: Layer {
    private let gate: Linear
    private let up: Linear
    private let down: Linear

    public init(_ name: String, _ width: Int, hidden: Int, bias: Bool = false, deviation: Double = 0.02, adapters: Adapters? = nil) {
        func projection(_ role: String, _ inputs: Int, _ outputs: Int) -> Linear {
            Linear("\(name).\(role)", inputs, outputs, bias: bias, isTransposed: true, deviation: deviation, adapters: adapters)
        }
        gate = projection("gate_proj", width, hidden)
        up = projection("up_proj", width, hidden)
        down = projection("down_proj", hidden, width)
    }

    public var parameters: [Parameter] { [gate, up, down].parameters }

    public func initialize<S: Scalar>(_ store: ParameterStore<S>, using generator: inout some RandomNumberGenerator) {
        [gate, up, down].initialize(store, using: &generator)
    }

    /// x (…, width); returns the same shape.
    public func callAsFunction<S>(_ x: Tensor<S>, in graph: Graph<S>) -> Tensor<S> {
        down(graph.multiply(graph.activate(gate(x, in: graph), .silu), up(x, in: graph)), in: graph)
    }
}
