import Layers
import Tensors

/// Modalities side by side, one projection over all of them, and a head: the projection of what is joined is the sum of
/// the projections of its parts, so each part's share in it can be told.
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

    /// Each (batch, tokens·width), zeros where the modality is not there.
    func callAsFunction<S>(_ modalities: [Tensor<S>], in graph: Graph<S>) -> Verdict<S> {
        let summands = zip(projections, modalities).map { $0($1, in: graph) }
        let joined = graph.activate(graph.sum(summands), .gelu)
        return Verdict(logits: head(joined, in: graph), importance: graph.energies(summands))
    }
}
