import Tensors

/// Multi-head self-attention with GPT-2's parameter names: `c_attn` computes queries, keys and values side by side, `c_proj` is the
/// output projection.
public struct Attention: Layer {
    public let width: Int, heads: Int
    private let project: Linear
    private let output: Linear

    /// - Parameters:
    ///   - name: prefix of the parameters' names.
    ///   - width: width of input and output, a multiple of `heads`.
    ///   - deviation: standard deviation of the initial weights of `c_attn`.
    ///   - outputDeviation: that of `c_proj`, which GPT-2 makes smaller for deeper models.
    public init(
        _ name: String, _ width: Int, heads: Int, deviation: Double = 0.02, outputDeviation: Double = 0.02,
        adapters: Adapters? = nil
    ) {
        precondition(width.isMultiple(of: heads), "\(heads) heads of width \(width)")
        self.width = width
        self.heads = heads
        project = Linear("\(name).c_attn", width, 3 * width, deviation: deviation, adapters: adapters)
        output = Linear("\(name).c_proj", width, width, deviation: outputDeviation, adapters: adapters)
    }

    public var parameters: [Parameter] { [project, output].parameters }

    public func initialize<S: Scalar>(_ store: ParameterStore<S>, using generator: inout some RandomNumberGenerator) {
        [project, output].initialize(store, using: &generator)
    }

    /// x (batch·T, width); returns the same shape. keyMask (batch, T), 1 where a key is present. Of packed sequences, T is the longest's.
    public func callAsFunction<S>(
        _ x: Tensor<S>, batch: Int, visibility: Visibility, keyMask: Tensor<S>? = nil, packing: PackedSequences? = nil, in graph: Graph<S>
    ) -> Tensor<S> {
        let attended = graph.attend(
            project(x, in: graph), heads: heads, batch: batch, visibility: visibility, keyMask: keyMask, packing: packing)
        return output(attended, in: graph)
    }

    /// Attention that continues a sequence. x (T, width), after the rows of `cache`; returns the same shape.
    public func callAsFunction<S>(_ x: Tensor<S>, cache: AttentionCache<S>, in graph: Graph<S>) -> Tensor<S> {
        let projected = project(x, in: graph)
        let part = { graph.sliceColumns(projected, $0 * self.width..<($0 + 1) * self.width) }
        let attended = graph.attend(
            part(0), cache.joined(part(1), in: graph), cache.joined(part(2), in: graph), heads: heads, groups: heads, batch: 1,
            visibility: .causal(), keyMask: cache.mask, fixedKeys: cache.length)
        return output(attended, in: graph)
    }
}

/// Multi-head attention of one sequence to another, with the parameter names of GPT-2's cross-attention.
public struct CrossAttention: Layer {
    public let width: Int, heads: Int
    private let query: Linear
    private let project: Linear
    private let output: Linear

    /// - Parameter otherWidth: width of the sequence attended to; nil for the same width.
    public init(_ name: String, _ width: Int, attendingTo otherWidth: Int? = nil, heads: Int, deviation: Double = 0.02) {
        precondition(width.isMultiple(of: heads), "\(heads) heads of width \(width)")
        self.width = width
        self.heads = heads
        query = Linear("\(name).q_attn", width, width, deviation: deviation)
        project = Linear("\(name).c_attn", otherWidth ?? width, 2 * width, deviation: deviation)
        output = Linear("\(name).c_proj", width, width, deviation: deviation)
    }

    public var parameters: [Parameter] { [query, project, output].parameters }

    public func initialize<S: Scalar>(_ store: ParameterStore<S>, using generator: inout some RandomNumberGenerator) {
        [query, project, output].initialize(store, using: &generator)
    }

    /// x (batch·Tq, width), others (batch·Tk, otherWidth), keyMask (batch, Tk), 1 where a key is present; returns (batch·Tq, width).
    /// Where no key is present the result is the output projection's bias.
    public func callAsFunction<S>(
        _ x: Tensor<S>, attendingTo others: Tensor<S>, batch: Int, keyMask: Tensor<S>? = nil, in graph: Graph<S>
    ) -> Tensor<S> {
        attend(x, to: others, batch: batch, keyMask: keyMask, in: graph).output
    }

    /// Like a call of the layer; returns the attention weights (batch·heads·Tq, Tk) as well.
    public func attend<S>(
        _ x: Tensor<S>, to others: Tensor<S>, batch: Int, keyMask: Tensor<S>? = nil, in graph: Graph<S>
    ) -> (output: Tensor<S>, weights: Tensor<S>) {
        let (attended, weights) = graph.attendWithWeights(
            query(x, in: graph), to: project(others, in: graph), heads: heads, batch: batch, keyMask: keyMask)
        return (output(attended, in: graph), weights)
    }
}
