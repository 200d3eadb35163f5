import Tensors

/// Grouped-query self-attention with rotary positions, by the names of Hugging Face's Llama.  https://arxiv.org/abs/2305.13245
public struct GroupedAttention: Layer {
    /// The shape, and which projections have a bias.
    public struct Shape: Sendable, Equatable {
        public var width: Int
        public var heads: Int
        /// Heads of keys and values; they divide `heads`.
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
    private let join: Linear

    public init(_ name: String, _ shape: Shape, deviation: Double = 0.02, adapters: Adapters? = nil) {
        self.shape = shape
        func projection(_ role: String, _ inputs: Int, _ outputs: Int, bias: Bool) -> Linear {
            Linear("\(name).\(role)", inputs, outputs, bias: bias, isTransposed: true, deviation: deviation, adapters: adapters)
        }
        query = projection("q_proj", shape.width, shape.heads * shape.headWidth, bias: shape.hasInputBias)
        key = projection("k_proj", shape.width, shape.groups * shape.headWidth, bias: shape.hasInputBias)
        value = projection("v_proj", shape.width, shape.groups * shape.headWidth, bias: shape.hasInputBias)
        join = projection("o_proj", shape.heads * shape.headWidth, shape.width, bias: shape.hasOutputBias)
    }

    public var parameters: [Parameter] { [query, key, value, join].parameters }

    public func initialize<S: Scalar>(_ store: ParameterStore<S>, using generator: inout some RandomNumberGenerator) {
        [query, key, value, join].initialize(store, using: &generator)
    }

    /// x (batch·T, width), the same shape back, at the T positions of `rotation`; keyMask (batch, T), 1 where present.
    public func callAsFunction<S>(
        _ x: Tensor<S>, batch: Int, rotation: Rotation<S>, visibility: Visibility, keyMask: Tensor<S>? = nil, in graph: Graph<S>
    ) -> Tensor<S> {
        let read = graph.attend(
            graph.rotate(query(x, in: graph), by: rotation, heads: shape.heads),
            graph.rotate(key(x, in: graph), by: rotation, heads: shape.groups), value(x, in: graph),
            heads: shape.heads, groups: shape.groups, batch: batch, visibility: visibility, keyMask: keyMask)
        return join(read, in: graph)
    }
}
