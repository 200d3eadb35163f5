import Layers
import Tensors

/// Combines modalities into one classification, and senses into a prefix of the text for the language trunk.
///
/// A missing modality is masked: it must have no effect in `classify`, and the caller hides its tokens from the trunk.
public protocol Fusion: Composite {
    /// A fusion of a validated configuration.
    init(_ configuration: MultimodalConfiguration)

    /// Class logits from all modalities, in the order of the configuration; in any row of the batch some may be missing.
    func classify<S>(_ modalities: [Percept<S>], in graph: Graph<S>) -> FusionOutput<S>

    /// Prefix tokens for the language trunk from the senses alone, (batch·senses·tokens, width), in the order of the senses.
    func condition<S>(_ senses: [Percept<S>], in graph: Graph<S>) -> Tensor<S>
}

/// Every fusion, by the name that configurations use.
public let fusions: KeyValuePairs<String, any Fusion.Type> = [
    "early": EarlyFusion.self,
    "late": LateFusion.self,
    "attention": AttentionFusion.self,
    "co-attention": CoAttentionFusion.self,
]

extension MultimodalConfiguration {
    /// The fusion named in this configuration, which must have been validated.
    func makeFusion() -> any Fusion {
        guard let type = fusions.first(where: { $0.key == fusion })?.value else {
            preconditionFailure("no fusion is called \(fusion)")
        }
        return type.init(self)
    }
}

/// One encoded modality, as the input of a fusion.
public struct Percept<S: Scalar> {
    /// (batch·tokens, width), of about unit size.
    public let tokens: Tensor<S>
    /// (batch), 1 where the modality is present.
    public let present: Tensor<S>
    /// (batch·tokens): the same for every token.
    public let tokensPresent: Tensor<S>
    /// (batch, classes): logits of this modality's own head.
    public let opinion: Tensor<S>

    /// The number of moments.
    public var batch: Int { present.count }

    /// (batch, tokens·width), zeros where the modality is absent.
    func joined(in graph: Graph<S>) -> Tensor<S> {
        graph.scaleRows(tokens.reshaped([batch, tokens.count / batch]), by: present)
    }
}

/// The result of a fusion for every row.
public struct FusionOutput<S: Scalar> {
    /// (batch, classes)
    public let logits: Tensor<S>
    /// (batch, n), n a multiple of the number of modalities: the non-negative importance of each modality, in order, or of each of
    /// its tokens.
    public let importance: Tensor<S>
    /// The attention weights; empty for a fusion without attention.
    public var maps: [FusionMap<S>] = []
}

/// The weights of a recorded attention: `rows` × `columns` for each row of the batch.
public struct FusionMap<S: Scalar> {
    public let name: String
    public let rows: Int, columns: Int
    /// (batch, rows·columns)
    public let weights: Tensor<S>
}

extension Graph {
    /// The importance of each of several summands (rows, C) in their sum: its energy Σ x². Gives (rows, summands).
    func energies(_ summands: [Tensor<S>]) -> Tensor<S> {
        concatenateColumns(summands.map { rowSums(activate($0, .square)) })
    }

    func sum(_ summands: [Tensor<S>]) -> Tensor<S> {
        summands.dropFirst().reduce(summands[0]) { add($0, $1) }
    }
}
