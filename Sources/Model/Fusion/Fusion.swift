import Layers
import Tensors

/// How modalities become one opinion, and what of the senses stands before the text.
///
/// A missing modality is a mask: it must count nothing in `classify`, and its tokens are hidden from the trunk by the caller.
public protocol Fusion: Composite {
    init(_ configuration: MultimodalConfiguration)

    /// All modalities, of which every row of the batch may miss some.
    func classify<S>(_ modalities: [Percept<S>], in graph: Graph<S>) -> Verdict<S>

    /// Prefix tokens for the language trunk from the senses alone, (batch·senses·tokens, width), in the order of the senses.
    func condition<S>(_ senses: [Percept<S>], in graph: Graph<S>) -> Tensor<S>
}

public let fusions: KeyValuePairs<String, any Fusion.Type> = [
    "early": EarlyFusion.self,
    "late": LateFusion.self,
    "attention": AttentionFusion.self,
    "co-attention": CoAttentionFusion.self,
]

extension MultimodalConfiguration {
    /// The fusion that this configuration, which must have been validated, names.
    func makeFusion() -> any Fusion {
        guard let type = fusions.first(where: { $0.key == fusion })?.value else {
            preconditionFailure("no fusion is called \(fusion)")
        }
        return type.init(self)
    }
}

/// One modality as a fusion sees it.
public struct Percept<S: Scalar> {
    /// (batch·tokens, width), of about unit size.
    public let tokens: Tensor<S>
    /// (batch), 1 where the modality is there.
    public let present: Tensor<S>
    /// (batch·tokens): the same for every token.
    public let tokensPresent: Tensor<S>
    /// (batch, classes): logits of this modality's own head.
    public let opinion: Tensor<S>

    public var batch: Int { present.count }

    /// (batch, tokens·width), zeros where the modality is not there.
    func joined(in graph: Graph<S>) -> Tensor<S> {
        graph.scaleRows(tokens.reshaped([batch, tokens.count / batch]), by: present)
    }
}

/// What a fusion thinks of every row.
public struct Verdict<S: Scalar> {
    /// (batch, classes)
    public let logits: Tensor<S>
    /// (batch, n), n a multiple of the number of modalities: how much each of them, in order, or each of its tokens counted; not below 0.
    public let importance: Tensor<S>
    /// Where the fusion looked; empty for one that does not attend.
    public var maps: [FusionMap<S>] = []
}

/// Weights of a recorded attention: for each row of the batch `rows` × `columns` of them.
public struct FusionMap<S: Scalar> {
    public let name: String
    public let rows: Int, columns: Int
    /// (batch, rows·columns)
    public let weights: Tensor<S>
}

extension Graph {
    /// How much each of several summands (rows, C) counts in their sum: its energy. Gives (rows, summands).
    func energies(_ summands: [Tensor<S>]) -> Tensor<S> {
        concatenateColumns(summands.map { rowSums(activate($0, .square)) })
    }

    func sum(_ summands: [Tensor<S>]) -> Tensor<S> {
        summands.dropFirst().reduce(summands[0]) { add($0, $1) }
    }
}
