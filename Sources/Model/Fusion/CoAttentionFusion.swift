import Layers
import Tensors

/// Cross-modal attention in both directions of every configured pair of modalities, whose results are then concatenated.
/// https://arxiv.org/abs/1908.02265
public struct CoAttentionFusion: Fusion {
    private let modalities: [String]
    private let attentions: [CrossModalAttention]
    private let junction: Junction
    private let prefix: Linear

    public init(_ configuration: MultimodalConfiguration) {
        modalities = configuration.modalities
        attentions = configuration.directions.map { CrossModalAttention(from: $0.from, to: $0.to, configuration) }
        junction = Junction(configuration)
        prefix = .unitScaled("fusion.prefix", configuration.width, configuration.width)
    }

    public var parts: [any Layer] { attentions + [junction, prefix] }

    public func classify<S>(_ modalities: [Percept<S>], in graph: Graph<S>) -> FusionOutput<S> {
        let (informed, maps) = informed(modalities, in: graph)
        let seen = zip(informed, modalities).map { tokens, modality in
            graph.scaleRows(tokens.reshaped([modality.batch, tokens.count / modality.batch]), by: modality.present)
        }
        var output = junction(seen, in: graph)
        output.maps = maps
        return output
    }

    /// Senses attend to each other but not to the text: otherwise the prefix would reveal the tokens that the trunk predicts.
    public func condition<S>(_ senses: [Percept<S>], in graph: Graph<S>) -> Tensor<S> {
        prefix(graph.concatenateRows(informed(senses, in: graph).tokens, batch: senses[0].batch), in: graph)
    }

    /// Every modality's tokens plus the results of their attention to the modalities that it is paired with.
    private func informed<S>(_ percepts: [Percept<S>], in graph: Graph<S>) -> (tokens: [Tensor<S>], maps: [FusionMap<S>]) {
        let known = Dictionary(uniqueKeysWithValues: zip(modalities, percepts))
        var maps: [FusionMap<S>] = []
        let tokens = zip(modalities, percepts).map { name, percept in
            let seen = attentions.filter { $0.from == name }.compactMap { attention in
                known[attention.to].map { attention(percept, $0, in: graph, noting: &maps) }
            }
            return graph.sum([percept.tokens] + seen)
        }
        return (tokens, maps)
    }
}

/// Cross-modal attention from one modality's tokens to another's.
private struct CrossModalAttention: Composite {
    let from: String, to: String
    private let read: CrossAttention

    init(from: String, to: String, _ configuration: MultimodalConfiguration) {
        (self.from, self.to) = (from, to)
        let C = configuration.width
        read = CrossAttention("fusion.\(from).to.\(to)", C, heads: configuration.heads, deviation: 1 / Double(C).squareRoot())
    }

    var parts: [any Layer] { [read] }

    /// If the other modality is absent, the result is the bias only.
    func callAsFunction<S>(
        _ percept: Percept<S>, _ other: Percept<S>, in graph: Graph<S>, noting maps: inout [FusionMap<S>]
    ) -> Tensor<S> {
        let batch = percept.batch
        let (attended, weights) = read.attend(percept.tokens, to: other.tokens, batch: batch, keyMask: other.tokensPresent, in: graph)
        maps.append(
            FusionMap(
                name: "\(from).to.\(to)", rows: weights.rows / batch, columns: weights.columns,
                weights: weights.reshaped([batch, weights.count / batch])))
        return attended
    }
}

extension MultimodalConfiguration {
    /// Both directions of the configured pairs, or of all pairs, in the order of the modalities.
    fileprivate var directions: [(from: String, to: String)] {
        let chosen = Set(pairs.map { Set($0) })
        return modalities.flatMap { from in
            modalities.filter { $0 != from && (chosen.isEmpty || chosen.contains([from, $0])) }.map { (from, $0) }
        }
    }
}
