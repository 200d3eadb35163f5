import Tensors

/// Multi-head self-attention with GPT-2's names: `c_attn` makes queries, keys and values side by side, `c_proj` joins the heads.
public struct Attention: Layer {
    public let width: Int, heads: Int
    private let project: Linear
    private let join: Linear

    /// - Parameter joinDeviation: of the joining projection, which GPT-2 starts smaller the deeper the model.
    public init(
        _ name: String, _ width: Int, heads: Int, deviation: Double = 0.02, joinDeviation: Double = 0.02,
        adapters: Adapters? = nil
    ) {
        precondition(width.isMultiple(of: heads), "\(heads) heads of width \(width)")
        self.width = width
        self.heads = heads
        project = Linear("\(name).c_attn", width, 3 * width, deviation: deviation, adapters: adapters)
        join = Linear("\(name).c_proj", width, width, deviation: joinDeviation, adapters: adapters)
    }

    public var parameters: [Parameter] { [project, join].parameters }

    public func initialize<S: Scalar>(_ store: ParameterStore<S>, using generator: inout some RandomNumberGenerator) {
        [project, join].initialize(store, using: &generator)
    }

    /// x (batch·T, width), the same shape back; keyMask (batch, T), 1 where present. Of sequences that are packed, T is the longest's.
    public func callAsFunction<S>(
        _ x: Tensor<S>, batch: Int, visibility: Visibility, keyMask: Tensor<S>? = nil, packing: PackedSequences? = nil, in graph: Graph<S>
    ) -> Tensor<S> {
        let read = graph.attend(
            project(x, in: graph), heads: heads, batch: batch, visibility: visibility, keyMask: keyMask, packing: packing)
        return join(read, in: graph)
    }
}

/// Multi-head attention of one sequence to another, with the names of GPT-2's cross-attention.
public struct CrossAttention: Layer {
    public let width: Int, heads: Int
    private let query: Linear
    private let project: Linear
    private let join: Linear

    /// - Parameter otherWidth: of the sequence attended to, if it differs.
    public init(_ name: String, _ width: Int, attendingTo otherWidth: Int? = nil, heads: Int, deviation: Double = 0.02) {
        precondition(width.isMultiple(of: heads), "\(heads) heads of width \(width)")
        self.width = width
        self.heads = heads
        query = Linear("\(name).q_attn", width, width, deviation: deviation)
        project = Linear("\(name).c_attn", otherWidth ?? width, 2 * width, deviation: deviation)
        join = Linear("\(name).c_proj", width, width, deviation: deviation)
    }

    public var parameters: [Parameter] { [query, project, join].parameters }

    public func initialize<S: Scalar>(_ store: ParameterStore<S>, using generator: inout some RandomNumberGenerator) {
        [query, project, join].initialize(store, using: &generator)
    }

    /// x (batch·Tq, width), others (batch·Tk, otherWidth), keyMask (batch, Tk); gives (batch·Tq, width), before the join's bias
    /// zero where no key is present.
    public func callAsFunction<S>(
        _ x: Tensor<S>, attendingTo others: Tensor<S>, batch: Int, keyMask: Tensor<S>? = nil, in graph: Graph<S>
    ) -> Tensor<S> {
        look(x, at: others, batch: batch, keyMask: keyMask, in: graph).read
    }

    /// The same, and where each query looked, (batch·heads·Tq, Tk).
    public func look<S>(
        _ x: Tensor<S>, at others: Tensor<S>, batch: Int, keyMask: Tensor<S>? = nil, in graph: Graph<S>
    ) -> (read: Tensor<S>, weights: Tensor<S>) {
        let (read, weights) = graph.look(
            query(x, in: graph), at: project(others, in: graph), heads: heads, batch: batch, keyMask: keyMask)
        return (join(read, in: graph), weights)
    }
}
