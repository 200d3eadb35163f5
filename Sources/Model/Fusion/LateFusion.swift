import Layers
import Tensors

/// How late fusion combines the logits of the modalities' own heads, the experts.
enum Combination: String {
    /// Σ wₘ logitsₘ with learned weights: a weighted product of experts.
    case learned
    /// Σ logitsₘ: the product of experts.  https://doi.org/10.1162/089976602760128018
    case product
    /// ln Σ pₘ: the mixture of experts, with equal weights of those present.
    case mean
}

/// Combines the class logits of one model for each modality; each model's own logits are its `opinion`.
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
        prefix = .unitScaled("fusion.prefix", configuration.width, configuration.width)
    }

    public var parts: [any Layer] { weights + [prefix] }

    public func classify<S>(_ modalities: [Percept<S>], in graph: Graph<S>) -> FusionOutput<S> {
        let opinions = modalities.map { modality in
            graph.scaleRows(
                combination == .mean ? graph.softmax(modality.opinion) : modality.opinion, by: modality.present)
        }
        let summands = combination == .learned ? zip(weights, opinions).map { $0($1, in: graph) } : opinions
        let sum = graph.sum(summands)
        // The offset keeps the logarithm finite where no modality is present.
        let logits = combination == .mean ? graph.activate(graph.affine(sum, offset: 1e-6), .logarithm) : sum
        return FusionOutput(logits: logits, importance: graph.energies(summands))
    }

    public func condition<S>(_ senses: [Percept<S>], in graph: Graph<S>) -> Tensor<S> {
        prefix(graph.concatenateRows(senses.map(\.tokens), batch: senses[0].batch), in: graph)
    }
}

/// One learned factor, initially 1.
struct Gain: Layer {
    let name: String

    init(_ name: String) { self.name = name }

    var parameters: [Parameter] { [Parameter(name, [1])] }

    func initialize<S: Scalar>(_ store: ParameterStore<S>, using generator: inout some RandomNumberGenerator) {
        store[name].fill(1)
    }

    func callAsFunction<S>(_ x: Tensor<S>, in graph: Graph<S>) -> Tensor<S> { graph.multiply(x, graph.parameter(name)) }
}
