import Tensors

/// GPT-2's transformer block: x + attention(norm(x)), then x + MLP(norm(x)).
/// https://cdn.openai.com/better-language-models/language_models_are_unsupervised_multitask_learners.pdf
public struct Block: Layer {
    private let normBefore: LayerNorm, attention: Attention
    private let normAfter: LayerNorm, mlp: MLP

    /// - Parameters:
    ///   - name: prefix of the parameters' names.
    ///   - width: width of the residual stream.
    ///   - hidden: width between the MLP's projections; 4 · width if nil.
    ///   - deviation: standard deviation of the initial weights.
    ///   - outputDeviation: that of the projections added to the residual stream; GPT-2's is 0.02/√(2·layers).
    public init(
        _ name: String, _ width: Int, heads: Int, hidden: Int? = nil, activation: Activation = .gelu, epsilon: Double = 1e-5,
        deviation: Double = 0.02, outputDeviation: Double = 0.02, adapters: Adapters? = nil
    ) {
        normBefore = LayerNorm("\(name).ln_1", width, epsilon: epsilon)
        attention = Attention(
            "\(name).attn", width, heads: heads, deviation: deviation, outputDeviation: outputDeviation, adapters: adapters)
        normAfter = LayerNorm("\(name).ln_2", width, epsilon: epsilon)
        mlp = MLP(
            "\(name).mlp", width, hidden: hidden ?? 4 * width, activation: activation, deviation: deviation,
            outputDeviation: outputDeviation, adapters: adapters)
    }

    public var parameters: [Parameter] {
        normBefore.parameters + attention.parameters + normAfter.parameters + mlp.parameters
    }

    /// The two norms.
    public var norms: [any Layer] { [normBefore, normAfter] }
    /// The layers that consist of projections.
    public var projections: [any Layer] { [attention, mlp] }

    public func initialize<S: Scalar>(_ store: ParameterStore<S>, using generator: inout some RandomNumberGenerator) {
        normBefore.initialize(store, using: &generator)
        attention.initialize(store, using: &generator)
        normAfter.initialize(store, using: &generator)
        mlp.initialize(store, using: &generator)
    }

    /// x (batch·T, width); returns the same shape. keyMask (batch, T), 1 where a key is present. Of packed sequences, T is the longest's.
    public func callAsFunction<S>(
        _ x: Tensor<S>, batch: Int, visibility: Visibility, keyMask: Tensor<S>? = nil, packing: PackedSequences? = nil, in graph: Graph<S>
    ) -> Tensor<S> {
        let attended = attention(
            normBefore(x, in: graph), batch: batch, visibility: visibility, keyMask: keyMask, packing: packing, in: graph)
        return addMLP(to: graph.add(x, attended), in: graph)
    }

    /// The block over rows that continue a sequence. x (T, width), after the rows of `cache`; returns the same shape.
    public func callAsFunction<S>(_ x: Tensor<S>, cache: AttentionCache<S>, in graph: Graph<S>) -> Tensor<S> {
        addMLP(to: graph.add(x, attention(normBefore(x, in: graph), cache: cache, in: graph)), in: graph)
    }

    private func addMLP<S>(to x: Tensor<S>, in graph: Graph<S>) -> Tensor<S> {
        graph.add(x, mlp(normAfter(x, in: graph), in: graph))
    }
}
