import Layers
import StrictJSON
import Tensors

/// A decoder-only language model of any family: embeddings, blocks over them, and a head that predicts the next token.
///
/// It describes the model, as every layer: parameters and composition, no numbers. A family is one type that conforms to this
/// protocol; the code that reads, trains, scores or verifies language models is written once, over the protocol.
public protocol Trunk: Layer {
    /// V, the number of tokens.
    var vocabularySize: Int { get }
    /// The length of the longest sequence.
    var positions: Int { get }
    /// C: the width of embeddings and of the trunk's output.
    var width: Int { get }
    /// The number of blocks.
    var layers: Int { get }

    /// Whether attention depends on the distance of tokens only, not on their positions.
    var hasRelativePositions: Bool { get }

    /// The same model with low-rank adapters beside some projections; without, if nil.
    func adapted(by adapters: Adapters?) -> Self
    /// What the decoder needs to know.
    var decoding: DecodingPlan { get }

    /// The role of a parameter; nil if it does not belong to this model.
    func role(of parameter: Parameter) -> ParameterRole?

    /// The shape of the model, in words: equal for models of equal shape.
    var summary: String { get }
    /// The members of Hugging Face's `config.json` that describe the model.
    var configurationMembers: [String: JSON] { get }
    /// The name of a parameter in Hugging Face's files, from its name in this project.
    func savedName(of parameter: String) -> String
    /// Whether projections are stored as (inputs, outputs), as GPT-2's; otherwise as (outputs, inputs).
    var storesInputsFirst: Bool { get }
    /// The projections that PEFT adapts if nothing is said, by the ends of their names.
    var usualTargets: [String] { get }

    /// Token embeddings, with those of positions from `firstPlace` on if the model embeds positions. ids (batch·T); gives (batch·T, C).
    func embed<S>(_ ids: Indices, batch: Int, firstPlace: Int, in graph: Graph<S>) -> Tensor<S>

    /// The blocks and the last norm, over embeddings of any origin.
    /// x (batch·T, C); all positions attend to the first `prefix` of every T; keyMask (batch, T), 1 where present; gives x's shape.
    /// With `recomputing`, blocks share their memory and are computed twice.
    func trunk<S>(_ x: Tensor<S>, batch: Int, prefix: Int, keyMask: Tensor<S>?, recomputing: Bool, in graph: Graph<S>) -> Tensor<S>

    /// Token embeddings of packed sequences, with those of positions in their texts if the model embeds positions: (ids, C); a row of
    /// zeros where both are negative.
    func embed<S>(_ ids: Indices, at places: Indices, in graph: Graph<S>) -> Tensor<S>

    /// The blocks and the last norm, over packed sequences of embeddings; all positions attend to the first `prefix` rows.
    /// x (rows, C); keyMask (sequences, longest), 1 where present; gives x's shape.
    func trunk<S>(_ x: Tensor<S>, packing: PackedSequences, prefix: Int, keyMask: Tensor<S>, in graph: Graph<S>) -> Tensor<S>

    /// The model up to the last norm, over tokens that continue a sequence: the rows of `cache` precede them.
    /// ids (T); places (T), their positions, which a model with relative positions does not read; gives (T, C).
    func continued<S>(_ ids: Indices, places: Indices, cache: AttentionCache<S>, in graph: Graph<S>) -> Tensor<S>

    /// The language head. x (rows, C) from the trunk; gives logits (rows, V).
    func logits<S>(_ x: Tensor<S>, in graph: Graph<S>) -> Tensor<S>
}

/// The role of a parameter in a trunk.
public enum ParameterRole: Sendable, Equatable {
    /// The embedding table of tokens or of positions; a tied token table is the head as well.
    case embedding(isHead: Bool)
    /// A projection of block n, which an adapter may join.
    case projection(block: Int)
    /// The bias of a projection of block n.
    case bias(block: Int)
    /// A norm of block n; nil for the last norm.
    case norm(block: Int?)
    /// The language head's table, if it is not tied.
    case head
    /// A low-rank adapter of a projection.
    case adapter
}

extension Trunk {
    /// The names of the projections that adapters may join, without the suffix `.weight`.
    public var projections: [String] {
        parameters.compactMap { parameter in
            guard case .projection = role(of: parameter) else { return nil }
            return parameter.name.hasSuffix(".weight") ? String(parameter.name.dropLast(".weight".count)) : parameter.name
        }
    }

    /// Records the whole model, from token ids to logits and loss.
    ///
    /// - Parameters:
    ///   - batch: the number of sequences.
    ///   - time: the maximal number of tokens that a sequence reads.
    ///   - recomputing: whether blocks share their memory, and so do logits, some rows at a time: both are computed twice, and the
    ///     logits are not kept.
    ///   - graph: the graph that it is recorded into.
    public func languageModel<S>(batch: Int, time: Int, recomputing: Bool = false, in graph: Graph<S>) -> LanguageModel<S> {
        let ids = graph.indices(batch * time), targets = graph.indices(Array(repeating: -100, count: batch * time))
        let embedded = embed(ids, batch: batch, firstPlace: 0, in: graph)
        let hidden = trunk(embedded, batch: batch, prefix: 0, keyMask: nil, recomputing: recomputing, in: graph)
        if recomputing {
            let losses = losses(hidden, targets, in: graph)
            return LanguageModel(
                batch: batch, time: time, ids: ids, targets: targets, hidden: hidden, keptLogits: nil,
                loss: graph.mean(losses, weights: graph.presence(of: targets)), losses: losses)
        }
        let logits = logits(hidden, in: graph)
        let loss = graph.crossEntropy(logits, targets: targets)
        return LanguageModel(
            batch: batch, time: time, ids: ids, targets: targets, hidden: hidden, keptLogits: logits, loss: loss.mean,
            losses: loss.rows)
    }

    /// The cross entropy of every row, (rows).
    private func losses<S>(_ hidden: Tensor<S>, _ targets: Indices, in graph: Graph<S>) -> Tensor<S> {
        let parts = stride(from: 0, to: hidden.rows, by: rowsOfLogits).map { start in
            let range = start..<min(hidden.rows, start + rowsOfLogits)
            let rows = graph.sliceRows(hidden, range)
            return graph.recomputing {
                graph.crossEntropy(logits(rows, in: graph), targets: targets.slice(range)).rows.reshaped([range.count, 1])
            }
        }
        return graph.concatenateRows(parts).reshaped([hidden.rows])
    }
}

/// The number of rows whose logits are recomputed together: enough for fast matrix products.
let rowsOfLogits = 256
