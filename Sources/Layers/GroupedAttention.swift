import Tensors

/// Grouped-query self-attention with rotary position embeddings, with the parameter names of Hugging Face's Llama.
/// https://arxiv.org/abs/2305.13245
public struct GroupedAttention: Layer {
    /// The sizes, and which projections have a bias.
    public struct Shape: Sendable, Equatable {
        public var width: Int
        public var heads: Int
        /// The number of key and value heads; it divides `heads`.
        public var groups: Int
        /// The width of one head.
        public var headWidth: Int
        public var hasInputBias = false
        public var hasOutputBias = false

        public init(width: Int, heads: Int, groups: Int, headWidth: Int, hasInputBias: Bool = false, hasOutputBias: Bool = false) {
            precondition(heads.isMultiple(of: groups) && headWidth.isMultiple(of: 2), "\(heads) heads of \(headWidth) in \(groups) groups")
            self.width = width
            self.heads = heads
            self.groups = groups
            self.headWidth = headWidth
            self.hasInputBias = hasInputBias
            self.hasOutputBias = hasOutputBias
        }
    }

    public let shape: Shape
    private let query: Linear, key: Linear, value: Linear
    private let output: Linear

    public init(_ name: String, _ shape: Shape, deviation: Double = 0.02, adapters: Adapters? = nil) {
        self.shape = shape
        func projection(_ role: String, _ inputs: Int, _ outputs: Int, bias: Bool) -> Linear {
            Linear("\(name).\(role)", inputs, outputs, bias: bias, isTransposed: true, deviation: deviation, adapters: adapters)
        }
        query = projection("q_proj", shape.width, shape.heads * shape.headWidth, bias: shape.hasInputBias)
        key = projection("k_proj", shape.width, shape.groups * shape.headWidth, bias: shape.hasInputBias)
        value = projection("v_proj", shape.width, shape.groups * shape.headWidth, bias: shape.hasInputBias)
        output = projection("o_proj", shape.heads * shape.headWidth, shape.width, bias: shape.hasOutputBias)
    }

    public var parameters: [Parameter] { [query, key, value, output].parameters }

    public func initialize<S: Scalar>(_ store: ParameterStore<S>, using generator: inout some RandomNumberGenerator) {
        [query, key, value, output].initialize(store, using: &generator)
    }

    /// x (batch·T, width), at the T positions of `rotation`; returns the same shape. keyMask (batch, T), 1 where a key is present.
    /// Of packed sequences, T is the longest's.
    public func callAsFunction<S>(
        _ x: Tensor<S>, batch: Int, rotation: Rotation<S>, visibility: Visibility, keyMask: Tensor<S>? = nil,
        packing: PackedSequences? = nil, in graph: Graph<S>
    ) -> Tensor<S> {
        let attended = graph.attend(
            graph.rotate(query(x, in: graph), by: rotation, heads: shape.heads, packing: packing),
            graph.rotate(key(x, in: graph), by: rotation, heads: shape.groups, packing: packing), value(x, in: graph),
            heads: shape.heads, groups: shape.groups, batch: batch, visibility: visibility, keyMask: keyMask, packing: packing)
        return output(attended, in: graph)
    }

    /// Attention that continues a sequence. x (T, width), after the rows of `cache`; returns the same shape.
    /// - Parameters:
    ///   - rotations: the angles of the positions of x, and those of all rows of the cache and x.
    public func callAsFunction<S>(
        _ x: Tensor<S>, rotations: (fresh: Rotation<S>, all: Rotation<S>), visibility: Visibility, cache: AttentionCache<S>,
        in graph: Graph<S>
    ) -> Tensor<S> {
        let attended = graph.attend(
            graph.rotate(query(x, in: graph), by: rotations.fresh, heads: shape.heads),
            graph.rotate(cache.joined(key(x, in: graph), in: graph), by: rotations.all, heads: shape.groups),
            cache.joined(value(x, in: graph), in: graph),
            heads: shape.heads, groups: shape.groups, batch: 1, visibility: visibility, keyMask: cache.mask,
            fixedKeys: cache.length)
        return output(attended, in: graph)
    }
}
