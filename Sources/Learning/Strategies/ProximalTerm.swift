import Statistics
import Tensors

/// Holds the weights near those that several learners agreed on last: FedProx.  Li et al. 2020, https://arxiv.org/abs/1812.06127
///
///     penalty = proximalStrength / 2 · Σ (w − anchor)²
///
/// The anchor is the weights at the last consolidation; there is no penalty before the first.
public struct ProximalTerm: Strategy {
    public static let name = "proximal"

    /// The weight of the penalty, μ.
    public var proximalStrength = 0.01

    public init() {}

    public func validate() throws(SettingsError) { try requireWeight(proximalStrength, "proximal_strength") }

    public var memory: StrategyMemory { StrategyMemory(learned: proximalStrength > 0 ? 1 : 0) }

    public func bind(to site: inout StrategySite) -> (any BoundStrategy)? {
        proximalStrength > 0 ? Penalty(on: site.parameters, site.graph.gradients.layout, Float(proximalStrength)) : nil
    }

    private final class Penalty: BoundStrategy {
        private let weights: ParameterStore<Float>
        private let strength: Float
        /// With the layout of the gradients.
        private let anchor: ParameterStore<Float>
        private var isAnchored = false

        init(on weights: ParameterStore<Float>, _ layout: ParameterLayout, _ strength: Float) {
            (self.weights, self.strength, anchor) = (weights, strength, ParameterStore(layout))
        }

        func consolidate() {
            for parameter in anchor.layout.parameters { _ = anchor[parameter.name].update(from: weights[parameter.name]) }
            isAnchored = true
        }

        func correct(_ gradients: ParameterStore<Float>) {
            guard isAnchored else { return }
            for parameter in anchor.layout.parameters {
                let (w, anchored, g) = (weights[parameter.name], anchor[parameter.name], gradients[parameter.name])
                for place in w.indices { g[place] += strength * (w[place] - anchored[place]) }
            }
        }

        var state: StrategyState {
            StrategyState(progress: .object(["anchored": .bool(isAnchored)]), tensors: ["anchor": Array(anchor.values)])
        }

        func restore(_ state: StrategyState) throws(Optimizer.StateError) {
            guard let anchored = state.progress["anchored"]?.bool else {
                throw .init(description: "the state of the proximal term cannot be read")
            }
            if let values = try state.numbers("anchor", anchor.values.count) { _ = anchor.values.update(from: values) }
            isAnchored = anchored
        }

        func carry(from other: any BoundStrategy) {
            guard let other = other as? Penalty, other.anchor.layout == anchor.layout else { return }
            try? restore(other.state)
        }
    }
}
