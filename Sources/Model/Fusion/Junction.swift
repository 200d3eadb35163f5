import Layers
import Tensors

/// Concatenates modalities, projects them together and classifies them. The projection is computed as a sum of projections of the
/// modalities, so that the share of each is known.
struct Junction: Composite {
    private let projections: [Linear]
    private let head: ClassificationHead

    init(_ configuration: MultimodalConfiguration) {
        let inputs = configuration.tokens * configuration.width
        let deviation = 1 / Double(inputs * configuration.modalities.count).squareRoot()
        projections = configuration.modalities.map {
            Linear("fusion.join.\($0)", inputs, configuration.joint, bias: false, deviation: deviation)
        }
        head = ClassificationHead("head.class", configuration.joint, classes: configuration.classes)
    }

    var parts: [any Layer] { projections + [head] }

    /// modalities: each (batch, tokens·width), zeros where the modality is absent.
    func callAsFunction<S>(_ modalities: [Tensor<S>], in graph: Graph<S>) -> FusionOutput<S> {
        let summands = zip(projections, modalities).map { $0($1, in: graph) }
        let joined = graph.activate(graph.sum(summands), .gelu)
        return FusionOutput(logits: head(joined, in: graph), importance: graph.energies(summands))
    }
}
