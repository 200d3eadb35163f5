import Layers
import Tensors

/// Modalities attend to one another, in both directions of every configured pair, and are then joined.
/// https://arxiv.org/abs/1908.02265
public struct CoAttentionFusion: Fusion {
    private let modalities: [String]
    private let glances: [Glance]
    private let junction: Junction
    private let prefix: Linear

    public init(_ configuration: MultimodalConfiguration) {
        modalities = configuration.modalities
        glances = configuration.directions.map { Glance(from: $0.from, to: $0.to, configuration) }
        junction = Junction(configuration)
        prefix = .even("fusion.prefix", configuration.width, configuration.width)
    }

    public var parts: [any Layer] { glances + [junction, prefix] }

    public func classify<S>(_ modalities: [Percept<S>], in graph: Graph<S>) -> Verdict<S> {
        let (informed, maps) = informed(modalities, in: graph)
        let seen = zip(informed, modalities).map { tokens, modality in
            graph.scaleRows(tokens.reshaped([modality.batch, tokens.count / modality.batch]), by: modality.present)
        }
        var verdict = junction(seen, in: graph)
        verdict.maps = maps
        return verdict
    }

    /// Senses attend to one another only: what is said must not tell the trunk what will be said.
    public func condition<S>(_ senses: [Percept<S>], in graph: Graph<S>) -> Tensor<S> {
        prefix(graph.concatenateRows(informed(senses, in: graph).tokens, batch: senses[0].batch), in: graph)
    }

    /// Every modality's tokens and what they read in the others that it is paired with.
    private func informed<S>(_ percepts: [Percept<S>], in graph: Graph<S>) -> (tokens: [Tensor<S>], maps: [FusionMap<S>]) {
        let known = Dictionary(uniqueKeysWithValues: zip(modalities, percepts))
        var maps: [FusionMap<S>] = []
        let tokens = zip(modalities, percepts).map { name, percept in
            let seen = glances.filter { $0.from == name }.compactMap { glance in
                known[glance.to].map { glance(percept, $0, in: graph, noting: &maps) }
            }
            return graph.sum([percept.tokens] + seen)
        }
        return (tokens, maps)
    }
}

/// One modality's tokens attending to another's.
private struct Glance: Composite {
    let from: String, to: String
    private let read: CrossAttention

    init(from: String, to: String, _ configuration: MultimodalConfiguration) {
        (self.from, self.to) = (from, to)
        let C = configuration.width
        read = CrossAttention("fusion.\(from).to.\(to)", C, heads: configuration.heads, deviation: 1 / Double(C).squareRoot())
    }

    var parts: [any Layer] { [read] }

    /// Nothing is added where the other modality is not there, the bias apart.
    func callAsFunction<S>(
        _ percept: Percept<S>, _ other: Percept<S>, in graph: Graph<S>, noting maps: inout [FusionMap<S>]
    ) -> Tensor<S> {
        let batch = percept.batch
        let (told, weights) = read.attend(percept.tokens, to: other.tokens, batch: batch, keyMask: other.tokensPresent, in: graph)
        maps.append(
            FusionMap(
                name: "\(from).to.\(to)", rows: weights.rows / batch, columns: weights.columns,
                weights: weights.reshaped([batch, weights.count / batch])))
        return told
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
