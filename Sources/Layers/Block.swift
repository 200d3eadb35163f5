import Tensors

/// GPT-2's block: x + attention(norm(x)), then x + MLP(norm(x)).  https://cdn.openai.com/better-language-models/language_models_are_unsupervised_multitask_learners.pdf
public struct Block: Layer {
    private let normBefore: LayerNorm, attention: Attention
    private let normAfter: LayerNorm, mlp: MLP

    /// - Parameters:
    ///   - hidden: 4 · width if not given.
    ///   - joinDeviation: of what is added to the stream; GPT-2's is 0.02/√(2·layers).
    public init(
        _ name: String, _ width: Int, heads: Int, hidden: Int? = nil, activation: Activation = .gelu, epsilon: Double = 1e-5,
        deviation: Double = 0.02, joinDeviation: Double = 0.02, adapters: Adapters? = nil
    ) {
        normBefore = LayerNorm("\(name).ln_1", width, epsilon: epsilon)
        attention = Attention(
            "\(name).attn", width, heads: heads, deviation: deviation, joinDeviation: joinDeviation, adapters: adapters)
        normAfter = LayerNorm("\(name).ln_2", width, epsilon: epsilon)
        mlp = MLP(
            "\(name).mlp", width, hidden: hidden ?? 4 * width, activation: activation, deviation: deviation,
            joinDeviation: joinDeviation, adapters: adapters)
    }

    public var parameters: [Parameter] {
        normBefore.parameters + attention.parameters + normAfter.parameters + mlp.parameters
    }

    public func initialize<S: Scalar>(_ store: ParameterStore<S>, using generator: inout some RandomNumberGenerator) {
        normBefore.initialize(store, using: &generator)
        attention.initialize(store, using: &generator)
        normAfter.initialize(store, using: &generator)
        mlp.initialize(store, using: &generator)
    }

    /// x (batch·T, width), the same shape back; keyMask (batch, T), 1 where present. Of sequences that are packed, T is the longest's.
    public func callAsFunction<S>(
        _ x: Tensor<S>, batch: Int, visibility: Visibility, keyMask: Tensor<S>? = nil, packing: PackedSequences? = nil, in graph: Graph<S>
    ) -> Tensor<S> {
        let read = attention(
            normBefore(x, in: graph), batch: batch, visibility: visibility, keyMask: keyMask, packing: packing, in: graph)
        let attended = graph.add(x, read)
        return graph.add(attended, mlp(normAfter(attended, in: graph), in: graph))
    }
}
