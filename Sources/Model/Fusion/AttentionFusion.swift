import Layers
import Tensors

/// Attention pooling over the tokens of all modalities, with weights from each token itself.
/// αᵢ = softmax(scoreₘ(tᵢ)) over the tokens that are present; y = M Σ αᵢ valueₘ(tᵢ)
public struct AttentionFusion: Fusion {
    private let scores: [Linear]
    private let values: [Linear]
    private let join: Linear
    private let head: ClassificationHead
    private let prefix: Linear
    private let width: Int, tokens: Int

    public init(_ configuration: MultimodalConfiguration) {
        (width, tokens) = (configuration.width, configuration.tokens)
        let C = configuration.width
        scores = configuration.modalities.map { Linear("fusion.score.\($0)", C, 1) }
        values = configuration.modalities.map { .unitScaled("fusion.value.\($0)", C, C) }
        join = .unitScaled("fusion.join", C, configuration.joint)
        head = ClassificationHead("head.class", configuration.joint, classes: configuration.classes)
        prefix = .unitScaled("fusion.prefix", C, C)
    }

    public var parts: [any Layer] { scores + values + [join, head, prefix] }

    public func classify<S>(_ modalities: [Percept<S>], in graph: Graph<S>) -> FusionOutput<S> {
        let batch = modalities[0].batch
        let importance = importance(of: modalities, in: graph)
        let read = graph.concatenateRows(zip(values, modalities).map { $0($1.tokens, in: graph) }, batch: batch)
        let mean = graph.poolRows(graph.scaleRows(read, by: importance), batch: batch)
        let joined = join(graph.affine(mean, scale: Double(modalities.count * importance.columns)), in: graph)
        let map = FusionMap(name: "importance", rows: modalities.count, columns: tokens, weights: importance)
        return FusionOutput(logits: head(graph.activate(joined, .gelu), in: graph), importance: importance, maps: [map])
    }

    /// Prefix tokens multiplied by their attention weights, so that unimportant tokens have little effect on the trunk.
    public func condition<S>(_ senses: [Percept<S>], in graph: Graph<S>) -> Tensor<S> {
        let importance = importance(of: senses, in: graph)
        let tokens = graph.concatenateRows(senses.map(\.tokens), batch: senses[0].batch)
        let weighed = graph.affine(graph.scaleRows(tokens, by: importance), scale: Double(importance.columns))
        return prefix(weighed, in: graph)
    }

    /// (batch, modalities·tokens): attention weights, which sum to 1 over the tokens that are present.
    private func importance<S>(of modalities: [Percept<S>], in graph: Graph<S>) -> Tensor<S> {
        let batch = modalities[0].batch
        let raw = zip(scores, modalities).map { $0($1.tokens, in: graph).reshaped([batch, tokens]) }
        let present = graph.concatenateColumns(modalities.map { $0.tokensPresent.reshaped([batch, tokens]) })
        let hidden = graph.affine(present, scale: 1e9, offset: -1e9)
        return graph.multiply(graph.softmax(graph.add(graph.concatenateColumns(raw), hidden)), present)
    }
}
