import Layers
import Tensors

/// How late fusion joins what its experts think.
enum Combination: String {
    /// Σ wₘ logitsₘ with learned weights: a product of experts that learns whom to trust.
    case learned
    /// Σ logitsₘ: the product of experts.  https://doi.org/10.1162/089976602760128018
    case product
    /// ln Σ pₘ: the mixture, in which every present expert has one voice.
    case mean
}

/// A model for each modality, joined at the output; each is usable alone, as `opinion`.
public struct LateFusion: Fusion {
    private let combination: Combination
    private let weights: [Gain]
    private let prefix: Linear

    public init(_ configuration: MultimodalConfiguration) {
        guard let combination = Combination(rawValue: configuration.combination) else {
            preconditionFailure("no combination is called \(configuration.combination)")
        }
        self.combination = combination
        weights = combination == .learned ? configuration.modalities.map { Gain("fusion.weight.\($0)") } : []
        prefix = .even("fusion.prefix", configuration.width, configuration.width)
    }

    public var parts: [any Layer] { weights + [prefix] }

    public func classify<S>(_ modalities: [Percept<S>], in graph: Graph<S>) -> Verdict<S> {
        let opinions = modalities.map { modality in
            graph.scaleRows(
                combination == .mean ? graph.softmax(modality.opinion) : modality.opinion, by: modality.present)
        }
        let summands = combination == .learned ? zip(weights, opinions).map { $0($1, in: graph) } : opinions
        let sum = graph.sum(summands)
        // The offset keeps the logarithm finite where no modality is there.
        let logits = combination == .mean ? graph.activate(graph.affine(sum, offset: 1e-6), .logarithm) : sum
        return Verdict(logits: logits, importance: graph.energies(summands))
    }

    public func condition<S>(_ senses: [Percept<S>], in graph: Graph<S>) -> Tensor<S> {
        prefix(graph.concatenateRows(senses.map(\.tokens), batch: senses[0].batch), in: graph)
    }
}

/// One learned factor, which starts at 1.
struct Gain: Layer {
    let name: String

    init(_ name: String) { self.name = name }

    var parameters: [Parameter] { [Parameter(name, [1])] }

    func initialize<S: Scalar>(_ store: ParameterStore<S>, using generator: inout some RandomNumberGenerator) {
        store[name].fill(1)
    }

    func callAsFunction<S>(_ x: Tensor<S>, in graph: Graph<S>) -> Tensor<S> { graph.multiply(x, graph.parameter(name)) }
}
