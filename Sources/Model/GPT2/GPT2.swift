import Layers
import StrictJSON
import Tensors

/// GPT-2: a stack of transformer blocks over token embeddings, with a head that predicts the next token.
///
/// It describes the model and holds no numbers. Parameters are named as in Hugging Face's checkpoints, without the prefix
/// `transformer.`.
///
///     let model = GPT2(GPT2Configuration(vocabularySize: 256, positions: 64, width: 32, layers: 2, heads: 4))
///     let store = model.initialStore(of: Float.self, using: &generator)
///     let graph = Graph(parameters: store)
///     let text = model.languageModel(batch: 1, time: 32, in: graph)
///     text.set([tokens])
///     graph.forward()
///     graph.backward(from: text.loss)
public struct GPT2: Trunk {
    /// The model's shape.
    public let configuration: GPT2Configuration
    private let tokens: Embedding
    private let places: Embedding
    /// Low-rank adapters of some projections.
    let adapters: Adapters?
    private let blocks: [Block]
    private let norm: LayerNorm
    private let roles: [String: ParameterRole]

    /// - Parameters:
    ///   - configuration: a valid one: its `problem` is nil.
    ///   - adapters: low-rank adapters of some projections, which may be all that learns.
    public init(_ configuration: GPT2Configuration, adapters: Adapters? = nil) {
        if let problem = configuration.problem { preconditionFailure("\(problem.key) \(problem.problem)") }
        let c = configuration
        self.configuration = c
        self.adapters = adapters
        tokens = Embedding("wte", c.vocabularySize, c.width, deviation: c.deviation)
        places = Embedding("wpe", c.positions, c.width, deviation: c.deviation)
        blocks = (0..<c.layers).map {
            Block(
                "h.\($0)", c.width, heads: c.heads, hidden: c.hidden, activation: c.activation, epsilon: c.epsilon,
                deviation: c.deviation, outputDeviation: c.deviation / Double(2 * c.layers).squareRoot(), adapters: adapters)
        }
        norm = LayerNorm("ln_f", c.width, epsilon: c.epsilon)
        var roles = RoleTable()
        roles.add(tokens.parameters, .embedding(isHead: c.isTied))
        roles.add(places.parameters, .embedding(isHead: false))
        for (n, block) in blocks.enumerated() {
            roles.add(block: n, norms: block.norms.parameters, projections: block.projections.parameters)
        }
        roles.add(norm.parameters, .norm(block: nil))
        if !c.isTied { roles.add([Self.head(c)], .head) }
        self.roles = roles.roles
    }

    private static func head(_ c: GPT2Configuration) -> Parameter { Parameter("lm_head.weight", [c.vocabularySize, c.width]) }

    public var vocabularySize: Int { configuration.vocabularySize }
    public var positions: Int { configuration.positions }
    public var width: Int { configuration.width }
    public var layers: Int { configuration.layers }
    public var hasRelativePositions: Bool { false }

    public var parameters: [Parameter] {
        tokens.parameters + places.parameters + blocks.parameters + norm.parameters
            + (configuration.isTied ? [] : [Self.head(configuration)])
    }

    public func initialize<S: Scalar>(_ store: ParameterStore<S>, using generator: inout some RandomNumberGenerator) {
        tokens.initialize(store, using: &generator)
        places.initialize(store, using: &generator)
        blocks.initialize(store, using: &generator)
        norm.initialize(store, using: &generator)
        if !configuration.isTied {
            store["lm_head.weight"].fillNormal(deviation: configuration.deviation, using: &generator)
        }
    }

    public func adapted(by adapters: Adapters?) -> GPT2 { GPT2(configuration, adapters: adapters) }

    public func role(of parameter: Parameter) -> ParameterRole? { roles[parameter.name] }

    public var summary: String { "\(configuration)" }
    public var configurationMembers: [String: JSON] { configuration.json }
    public func savedName(of parameter: String) -> String { Self.savedName(parameter) }
    public var storesInputsFirst: Bool { true }
    public var usualTargets: [String] { ["c_attn"] }

    /// Token embeddings plus position embeddings, for positions from `firstPlace` on. ids (batch·T); gives (batch·T, C).
    public func embed<S>(_ ids: Indices, batch: Int, firstPlace: Int = 0, in graph: Graph<S>) -> Tensor<S> {
        let T = ids.count / batch
        precondition(firstPlace + T <= configuration.positions, "\(firstPlace + T) tokens in \(configuration.positions) positions")
        let order = graph.indices((0..<T).map { firstPlace + $0 })
        return graph.add(tokens(ids, in: graph), places(order, in: graph))
    }

    /// Embeddings of tokens at given positions, (ids, C); a row of zeros where both are negative.
    public func embed<S>(_ ids: Indices, at places: Indices, in graph: Graph<S>) -> Tensor<S> {
        graph.add(tokens(ids, in: graph), self.places(places, in: graph))
    }

    /// The blocks and the last norm, over packed sequences of embeddings; all positions attend to the first `prefix` rows.
    /// x (rows, C); keyMask (sequences, longest), 1 where present; gives x's shape.
    public func trunk<S>(
        _ x: Tensor<S>, packing: PackedSequences, prefix: Int, keyMask: Tensor<S>, in graph: Graph<S>
    ) -> Tensor<S> {
        let y = blocks.reduce(x) { x, block in
            graph.sharing(x) { x in
                block(x, batch: packing.count, visibility: .causal(prefix: prefix), keyMask: keyMask, packing: packing, in: graph)
            }
        }
        return norm(y, in: graph)
    }

    /// The blocks and the last norm, over embeddings of any origin.
    /// x (batch·T, C); all positions attend to the first `prefix` of every T; keyMask (batch, T), 1 where present; gives x's shape.
    /// With `recomputing`, blocks share their memory and are computed twice.
    public func trunk<S>(
        _ x: Tensor<S>, batch: Int, prefix: Int = 0, keyMask: Tensor<S>? = nil, recomputing: Bool = false, in graph: Graph<S>
    ) -> Tensor<S> {
        let y = blocks.reduce(x) { x, block in
            let read = { x in block(x, batch: batch, visibility: .causal(prefix: prefix), keyMask: keyMask, in: graph) }
            return recomputing ? graph.recomputing { read(x) } : graph.sharing(x, read)
        }
        return norm(y, in: graph)
    }

    public func continued<S>(_ ids: Indices, places: Indices, cache: AttentionCache<S>, in graph: Graph<S>) -> Tensor<S> {
        norm(blocks.reduce(embed(ids, at: places, in: graph)) { $1($0, cache: cache, in: graph) }, in: graph)
    }

    /// The language head. x (rows, C) from the trunk; gives logits (rows, V).
    public func logits<S>(_ x: Tensor<S>, in graph: Graph<S>) -> Tensor<S> {
        graph.linear(x, weight: configuration.isTied ? "wte.weight" : "lm_head.weight", transposed: true)
    }
}
