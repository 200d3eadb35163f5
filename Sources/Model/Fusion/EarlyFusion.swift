import Layers
import Tensors

/// Concatenates the modalities' tokens and classifies them with one head.
public struct EarlyFusion: Fusion {
    private let junction: Junction
    private let prefix: Linear

    public init(_ configuration: MultimodalConfiguration) {
        junction = Junction(configuration)
        prefix = .unitScaled("fusion.prefix", configuration.width, configuration.width)
    }

    public var parts: [any Layer] { [junction, prefix] }

    public func classify<S>(_ modalities: [Percept<S>], in graph: Graph<S>) -> FusionOutput<S> {
        junction(modalities.map { $0.joined(in: graph) }, in: graph)
    }

    public func condition<S>(_ senses: [Percept<S>], in graph: Graph<S>) -> Tensor<S> {
        prefix(graph.concatenateRows(senses.map(\.tokens), batch: senses[0].batch), in: graph)
    }
}
