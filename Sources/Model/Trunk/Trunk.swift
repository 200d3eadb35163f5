import Layers
import Tensors

/// A decoder-only language model of any family: embeddings, blocks over them, and a head that tells the next token.
///
/// It is a description, as every layer: parameters and composition, no numbers. A family is one type that says these things; everything that reads,
/// trains, scores or verifies a language model is written once, over this protocol.
public protocol Trunk: Layer {
    var vocabularySize: Int { get }
    /// The longest sequence.
    var positions: Int { get }
    /// C: the width of embeddings and of what the trunk gives.
    var width: Int { get }
    var layers: Int { get }

    /// What a parameter is for; nil for one that is not this model's.
    func role(of parameter: Parameter) -> ParameterRole?

    /// Token embeddings at places from `firstPlace` on, where places are embedded. ids (batch·T); gives (batch·T, C).
    func embed<S>(_ ids: Indices, batch: Int, firstPlace: Int, in graph: Graph<S>) -> Tensor<S>

    /// The blocks and the last norm, over embeddings of any origin.
    /// x (batch·T, C), the same shape back; the first `prefix` of every T are seen by all; keyMask (batch, T), 1 where present.
    /// With `recomputing`, blocks share their memory and are computed twice.
    func trunk<S>(_ x: Tensor<S>, batch: Int, prefix: Int, keyMask: Tensor<S>?, recomputing: Bool, in graph: Graph<S>) -> Tensor<S>

    /// The language head. x (rows, C) from the trunk; gives logits (rows, V).
    func logits<S>(_ x: Tensor<S>, in graph: Graph<S>) -> Tensor<S>
}

/// What a parameter of a trunk is for.
public enum ParameterRole: Sendable, Equatable {
    /// The table of tokens or of places. With a tied head, the tokens' is the head too.
    case embedding(isHead: Bool)
    /// A projection or a bias of block n.
    case block(Int)
    /// A norm of block n, or the last one where there is no n.
    case norm(block: Int?)
    case head
    /// A low-rank adapter beside a projection.
    case adapter
}

extension Trunk {
    /// Token ids to logits and loss, ready to replay. With `recomputing`, blocks share their memory and so do logits, some
    /// rows at a time: both are computed twice, and no logits are kept.
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

/// Rows whose logits are computed together where they are computed anew: enough for the matrix products' speed.
let rowsOfLogits = 256
