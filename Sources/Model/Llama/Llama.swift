import Layers
import StrictJSON
import Tensors

/// Llama and related models: RMS norms, rotary positions, grouped-query attention, gated MLPs.  https://arxiv.org/abs/2302.13971
///
/// It describes the model and holds no numbers. Parameters are named as in Hugging Face's checkpoints.
public struct Llama: Trunk {
    /// The model's shape.
    public let configuration: LlamaConfiguration
    private let tokens: Embedding
    /// Low-rank adapters of some projections.
    let adapters: Adapters?
    private let blocks: [LlamaBlock]
    private let norm: RMSNorm
    private let frequencies: [Double]
    private let roles: [String: ParameterRole]

    /// - Parameters:
    ///   - configuration: a valid one: its `problem` is nil.
    ///   - adapters: low-rank adapters of some projections, which may be all that learns.
    public init(_ configuration: LlamaConfiguration, adapters: Adapters? = nil) {
        if let problem = configuration.problem { preconditionFailure("\(problem.key) \(problem.problem)") }
        let c = configuration
        self.configuration = c
        self.adapters = adapters
        tokens = Embedding("model.embed_tokens", c.vocabularySize, c.width, deviation: c.deviation)
        blocks = (0..<c.layers).map { LlamaBlock("model.layers.\($0)", c, adapters: adapters) }
        norm = RMSNorm("model.norm", c.width, epsilon: c.epsilon)
        frequencies = c.rotaryScaling.frequencies(base: c.rotaryBase, width: c.attention.headWidth)
        var roles = RoleTable()
        roles.add(tokens.parameters, .embedding(isHead: c.isTied))
        for (n, block) in blocks.enumerated() {
            roles.add(block: n, norms: block.norms.parameters, projections: block.projections.parameters)
        }
        roles.add(norm.parameters, .norm(block: nil))
        if !c.isTied { roles.add([Self.head(c)], .head) }
        self.roles = roles.roles
    }

    private static func head(_ c: LlamaConfiguration) -> Parameter { Parameter("lm_head.weight", [c.vocabularySize, c.width]) }

    public var vocabularySize: Int { configuration.vocabularySize }
    public var positions: Int { configuration.positions }
    public var width: Int { configuration.width }
    public var layers: Int { configuration.layers }
    public var hasRelativePositions: Bool { true }

    public var parameters: [Parameter] {
        tokens.parameters + blocks.parameters + norm.parameters + (configuration.isTied ? [] : [Self.head(configuration)])
    }

    public func initialize<S: Scalar>(_ store: ParameterStore<S>, using generator: inout some RandomNumberGenerator) {
        tokens.initialize(store, using: &generator)
        blocks.initialize(store, using: &generator)
        norm.initialize(store, using: &generator)
        if !configuration.isTied { store["lm_head.weight"].fillNormal(deviation: configuration.deviation, using: &generator) }
    }

    public func adapted(by adapters: Adapters?) -> Llama { Llama(configuration, adapters: adapters) }

    public func role(of parameter: Parameter) -> ParameterRole? { roles[parameter.name] }

    public var summary: String { "\(configuration)" }
    public var configurationMembers: [String: JSON] { configuration.json }
    public func savedName(of parameter: String) -> String { parameter }
    public var storesInputsFirst: Bool { false }
    public var usualTargets: [String] { ["q_proj", "v_proj"] }

    /// Token embeddings; positions are applied in the attention instead. ids (batch·T); gives (batch·T, C).
    public func embed<S>(_ ids: Indices, batch: Int, firstPlace: Int, in graph: Graph<S>) -> Tensor<S> {
        precondition(
            firstPlace + ids.count / batch <= configuration.positions,
            "\(firstPlace + ids.count / batch) tokens in \(configuration.positions) positions")
        return tokens(ids, in: graph)
    }

    public func trunk<S>(
        _ x: Tensor<S>, batch: Int, prefix: Int, keyMask: Tensor<S>?, recomputing: Bool, in graph: Graph<S>
    ) -> Tensor<S> {
        precondition(prefix == 0 || configuration.window == nil, "a model with a sliding window cannot have a prefix")
        let rotation = graph.rotation(frequencies: frequencies, positions: x.rows / batch)
        let visibility = configuration.window.map { Visibility.sliding(window: $0) } ?? .causal(prefix: prefix)
        let y = blocks.reduce(x) { x, block in
            let read = { x in
                block(x, batch: batch, rotation: rotation, visibility: visibility, keyMask: keyMask, packing: nil, in: graph)
            }
            return recomputing ? graph.recomputing { read(x) } : graph.sharing(x, read)
        }
        return norm(y, in: graph)
    }

    /// Token embeddings, (ids, C); a row of zeros where an id is negative. Positions are applied in the attention instead.
    public func embed<S>(_ ids: Indices, at places: Indices, in graph: Graph<S>) -> Tensor<S> { tokens(ids, in: graph) }

    public func trunk<S>(
        _ x: Tensor<S>, packing: PackedSequences, prefix: Int, keyMask: Tensor<S>, in graph: Graph<S>
    ) -> Tensor<S> {
        precondition(prefix == 0 || configuration.window == nil, "a model with a sliding window cannot have a prefix")
        let rotation = graph.rotation(frequencies: frequencies, positions: packing.longest)
        let visibility = configuration.window.map { Visibility.sliding(window: $0) } ?? .causal(prefix: prefix)
        let y = blocks.reduce(x) { x, block in
            graph.sharing(x) { x in
                block(
                    x, batch: packing.count, rotation: rotation, visibility: visibility, keyMask: keyMask, packing: packing, in: graph)
            }
        }
        return norm(y, in: graph)
    }

    public func continued<S>(_ ids: Indices, places: Indices, cache: AttentionCache<S>, in graph: Graph<S>) -> Tensor<S> {
        let rotations = (
            fresh: graph.rotation(frequencies: frequencies, positions: cache.rows, firstPosition: cache.length),
            all: graph.rotation(frequencies: frequencies, positions: cache.length + cache.rows)
        )
        let visibility = configuration.window.map { Visibility.sliding(window: $0) } ?? .causal()
        let y = blocks.reduce(tokens(ids, in: graph)) { x, block in
            block(x, rotations: rotations, visibility: visibility, cache: cache, in: graph)
        }
        return norm(y, in: graph)
    }

    public func logits<S>(_ x: Tensor<S>, in graph: Graph<S>) -> Tensor<S> {
        graph.linear(x, weight: configuration.isTied ? "model.embed_tokens.weight" : "lm_head.weight", transposed: true)
    }
}

/// x + attention(norm(x)), then x + MLP(norm(x)).
struct LlamaBlock: Layer {
    private let normBefore: RMSNorm, attention: GroupedAttention
    private let normAfter: RMSNorm, mlp: GatedMLP

    init(_ name: String, _ c: LlamaConfiguration, adapters: Adapters?) {
        normBefore = RMSNorm("\(name).input_layernorm", c.width, epsilon: c.epsilon)
        attention = GroupedAttention("\(name).self_attn", c.attention, deviation: c.deviation, adapters: adapters)
        normAfter = RMSNorm("\(name).post_attention_layernorm", c.width, epsilon: c.epsilon)
        mlp = GatedMLP("\(name).mlp", c.width, hidden: c.hidden, bias: c.hasHiddenBias, deviation: c.deviation, adapters: adapters)
    }

    var parameters: [Parameter] { normBefore.parameters + attention.parameters + normAfter.parameters + mlp.parameters }

    var norms: [any Layer] { [normBefore, normAfter] }
    var projections: [any Layer] { [attention, mlp] }

    func initialize<S: Scalar>(_ store: ParameterStore<S>, using generator: inout some RandomNumberGenerator) {
        normBefore.initialize(store, using: &generator)
        attention.initialize(store, using: &generator)
        normAfter.initialize(store, using: &generator)
        mlp.initialize(store, using: &generator)
    }

    func callAsFunction<S>(
        _ x: Tensor<S>, batch: Int, rotation: Rotation<S>, visibility: Visibility, keyMask: Tensor<S>?, packing: PackedSequences?,
        in graph: Graph<S>
    ) -> Tensor<S> {
        let read = attention(
            normBefore(x, in: graph), batch: batch, rotation: rotation, visibility: visibility, keyMask: keyMask, packing: packing,
            in: graph)
        return addMLP(to: graph.add(x, read), in: graph)
    }

    func callAsFunction<S>(
        _ x: Tensor<S>, rotations: (fresh: Rotation<S>, all: Rotation<S>), visibility: Visibility, cache: AttentionCache<S>,
        in graph: Graph<S>
    ) -> Tensor<S> {
        let read = attention(normBefore(x, in: graph), rotations: rotations, visibility: visibility, cache: cache, in: graph)
        return addMLP(to: graph.add(x, read), in: graph)
    }

    private func addMLP<S>(to x: Tensor<S>, in graph: Graph<S>) -> Tensor<S> {
        graph.add(x, mlp(normAfter(x, in: graph), in: graph))
    }
}
