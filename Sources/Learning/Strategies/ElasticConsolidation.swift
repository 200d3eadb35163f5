import Statistics
import StrictJSON
import Tensors

/// Online elastic weight consolidation (EWC): weights are regularised towards their old values, each with its importance.
///
///     penalty = elasticStrength / 2 · Σ importance · (w − anchor)²
///
/// importance is the diagonal of the Fisher information: at each consolidation it is multiplied by `elasticFading`, and the mean
/// squared gradient since the last consolidation is added.  Kirkpatrick et al. 2017, https://arxiv.org/abs/1612.00796; online
/// version: Schwarz et al. 2018, https://arxiv.org/abs/1805.06370
public struct ElasticConsolidation: Strategy {
    public static let name = "ewc"

    /// The weight of the penalty.
    public var elasticStrength = 100.0
    /// The factor of the old importance at each consolidation.
    public var elasticFading = 0.9

    public init() {}

    public func validate() throws(SettingsError) {
        try requireWeight(elasticStrength, "elastic_strength")
        try SettingsError.require((0...1).contains(elasticFading), "elastic_fading", "\(elasticFading) is not in 0…1")
    }

    public var memory: StrategyMemory { StrategyMemory(learned: elasticStrength > 0 ? 3 : 0) }

    public func bind(to site: inout StrategySite) -> (any BoundStrategy)? {
        elasticStrength > 0 ? ElasticPenalty(on: site.parameters, site.graph.gradients.layout, self) : nil
    }
}

/// The penalty of elastic weight consolidation, with its state. It has one owner: it is not `Sendable`.
public final class ElasticPenalty: BoundStrategy {
    private let settings: ElasticConsolidation
    private let weights: ParameterStore<Float>
    /// The importance of each weight, with the layout of the gradients.
    public let importance: ParameterStore<Float>
    /// The weights at the last consolidation, with the layout of the gradients.
    public let anchor: ParameterStore<Float>
    private let gathered: ParameterStore<Float>
    private static let largestGradient: Float = 1e6
    private var progress = Progress()

    private struct Progress: Codable {
        var samples = 0
        var isAnchored = false
    }

    /// - Parameters:
    ///   - weights: the weights to regularise, read at every penalty.
    ///   - layout: the layout of the gradients.
    ///   - settings: the strength and the fading.
    public init(on weights: ParameterStore<Float>, _ layout: ParameterLayout, _ settings: ElasticConsolidation = ElasticConsolidation()) {
        self.settings = settings
        self.weights = weights
        importance = ParameterStore(layout)
        anchor = ParameterStore(layout)
        gathered = ParameterStore(layout)
    }

    public func correct(_ gradients: ParameterStore<Float>) {
        gather(gradients)
        addPenalty(to: gradients)
    }

    /// Adds the squared gradient of the log-likelihood of one sample or small batch to the sums for the importance. A gradient that is
    /// not finite, or too large to be squared and summed, is ignored.
    public func gather(_ gradients: ParameterStore<Float>) {
        precondition(gradients.layout == gathered.layout, "gradients of another layout")
        guard gradients.values.allSatisfy({ abs($0) <= Self.largestGradient }) else { return }
        for place in gathered.values.indices { gathered.values[place] += gradients.values[place] * gradients.values[place] }
        progress.samples += 1
    }

    /// Makes the current weights the new anchor, and updates the importance from the gradients since the last consolidation.
    public func consolidate() {
        let fading = progress.isAnchored ? Float(settings.elasticFading) : 0
        let share = progress.samples > 0 ? 1 / Float(progress.samples) : 0
        for place in importance.values.indices {
            importance.values[place] = fading * importance.values[place] + share * gathered.values[place]
            gathered.values[place] = 0
        }
        for parameter in anchor.layout.parameters { _ = anchor[parameter.name].update(from: weights[parameter.name]) }
        progress = Progress(samples: 0, isAnchored: true)
    }

    /// Adds the penalty's gradient to a step's gradients, except before the first consolidation.
    /// - Returns: the penalty.
    @discardableResult
    public func addPenalty(to gradients: ParameterStore<Float>) -> Double {
        precondition(gradients.layout == anchor.layout, "gradients of another layout")
        guard progress.isAnchored else { return 0 }
        let strength = Float(settings.elasticStrength)
        var penalty = 0.0
        for parameter in anchor.layout.parameters {
            let (w, anchored, weight, g) = (
                weights[parameter.name], anchor[parameter.name], importance[parameter.name], gradients[parameter.name]
            )
            for place in w.indices {
                let slope = strength * weight[place] * (w[place] - anchored[place])
                g[place] += slope
                penalty += 0.5 * Double(slope * (w[place] - anchored[place]))
            }
        }
        return penalty
    }

    private var stores: KeyValuePairs<String, ParameterStore<Float>> { ["importance": importance, "anchor": anchor, "gathered": gathered] }

    public var state: StrategyState {
        StrategyState(
            progress: JSON(encoding: progress),
            tensors: Dictionary(uniqueKeysWithValues: stores.map { ($0.key, Array($0.value.values)) }))
    }

    public func restore(_ state: StrategyState) throws(Optimizer.StateError) {
        guard let read = state.progress.decoded(as: Progress.self), (0...1 << 53).contains(read.samples) else {
            throw .init(description: "the state of elastic consolidation cannot be read")
        }
        var numbers: [(ParameterStore<Float>, [Float])] = []
        for (name, store) in stores {
            if let values = try state.numbers(name, store.values.count) { numbers.append((store, values)) }
        }
        for (store, values) in numbers { _ = store.values.update(from: values) }
        progress = read
    }

    /// Copies the state if the same weights learn; otherwise all begin without importance.
    public func carry(from other: any BoundStrategy) {
        guard let other = other as? ElasticPenalty, other.anchor.layout == anchor.layout else { return }
        try? restore(other.state)
    }
}
