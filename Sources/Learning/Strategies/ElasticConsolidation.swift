import Statistics
import Tensors

/// Online elastic weight consolidation: what mattered for the old is held near where it was, by a spring as stiff as it mattered.
///
///     penalty = strength / 2 · Σ importance · (w − anchor)²
///
/// importance is the diagonal of the Fisher information: at each consolidation the old one fades and the mean squared gradient
/// gathered since is added.  Kirkpatrick et al. 2017, https://arxiv.org/abs/1612.00796; online by Schwarz et al. 2018, https://arxiv.org/abs/1805.06370
///
/// One owner: not `Sendable`.
public final class ElasticConsolidation {
    public struct Configuration: Settings {
        public var strength = 100.0
        /// What share of the importance stays at each consolidation.
        public var fading = 0.9

        public init() {}

        public func validate() throws(SettingsError) {
            try SettingsError.require(strength >= 0, "strength", "\(strength) is negative")
            try SettingsError.require((0...1).contains(fading), "fading", "\(fading) is not in 0…1")
        }
    }

    public let settings: Configuration
    /// Laid out as the gradients: for what learns only.
    public let importance: ParameterStore<Float>
    public let anchor: ParameterStore<Float>
    private let gathered: ParameterStore<Float>
    private static let largestGradient: Float = 1e6
    private var samples = 0
    private var isAnchored = false

    /// What it remembers beside `stores`.
    struct Progress: Codable, Sendable, Equatable {
        var samples: Int
        var isAnchored: Bool
    }

    var progress: Progress {
        get { Progress(samples: samples, isAnchored: isAnchored) }
        set { (samples, isAnchored) = (newValue.samples, newValue.isAnchored) }
    }

    var stores: KeyValuePairs<String, ParameterStore<Float>> { ["importance": importance, "anchor": anchor, "gathered": gathered] }

    /// - Parameter layout: of the gradients.
    public init(_ layout: ParameterLayout, _ settings: Configuration = Configuration()) {
        self.settings = settings
        importance = ParameterStore(layout)
        anchor = ParameterStore(layout)
        gathered = ParameterStore(layout)
    }

    /// Gathers importance from the gradient of one sample's (or one small batch's) log-likelihood; one that is not finite, or too large to be
    /// squared and summed up, is passed over.
    public func gather(_ gradients: ParameterStore<Float>) {
        precondition(gradients.layout == gathered.layout, "gradients of another layout")
        guard gradients.values.allSatisfy({ abs($0) <= Self.largestGradient }) else { return }
        for place in gathered.values.indices { gathered.values[place] += gradients.values[place] * gradients.values[place] }
        samples += 1
    }

    /// Makes the weights as they are the new anchor, and what was gathered since part of the importance.
    public func consolidate(_ weights: ParameterStore<Float>) {
        let fading = isAnchored ? Float(settings.fading) : 0
        let share = samples > 0 ? 1 / Float(samples) : 0
        for place in importance.values.indices {
            importance.values[place] = fading * importance.values[place] + share * gathered.values[place]
            gathered.values[place] = 0
        }
        for parameter in anchor.layout.parameters { _ = anchor[parameter.name].update(from: weights[parameter.name]) }
        samples = 0
        isAnchored = true
    }

    /// Adds the penalty's gradient to a step's gradients; returns the penalty. Nothing before the first consolidation.
    @discardableResult
    public func addPenalty(of weights: ParameterStore<Float>, to gradients: ParameterStore<Float>) -> Double {
        precondition(gradients.layout == anchor.layout, "gradients of another layout")
        guard isAnchored else { return 0 }
        let strength = Float(settings.strength)
        var penalty = 0.0
        for parameter in anchor.layout.parameters {
            let (w, then, stiffness, g) = (
                weights[parameter.name], anchor[parameter.name], importance[parameter.name], gradients[parameter.name]
            )
            for place in w.indices {
                let pull = strength * stiffness[place] * (w[place] - then[place])
                g[place] += pull
                penalty += 0.5 * Double(pull * (w[place] - then[place]))
            }
        }
        return penalty
    }
}
