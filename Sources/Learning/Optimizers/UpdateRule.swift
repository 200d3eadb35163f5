import Statistics
import StrictJSON

/// A family of optimisers: its settings, and how one step changes weights. It has no state; the `Optimizer` has.
public protocol UpdateRule: Settings {
    /// The rate before the schedule's factor.
    var learningRate: Double { get }
    /// Gradients are scaled down if the norm of all of them is greater; 0: never.
    var clipNorm: Double { get }
    /// Whether weights of fewer than two dimensions (biases, norms) decay too.
    var decayVectors: Bool { get }
    /// The learning rate as a function of the step.
    var schedule: Schedule { get }
    /// The names of the numbers stored for each weight; at most two.
    var moments: [String] { get }
    /// The rule itself, if the size of a parameter's step depends on the whole parameter; else nil.
    var layerwise: (any LayerwiseRule)? { get }

    /// Updates the moments and the weights of one run, whose length is a multiple of 16.
    func update(_ run: WeightRun, _ step: OptimizerStep)
}

/// An update rule whose steps depend on norms over a whole parameter.
public protocol LayerwiseRule: Sendable {
    /// Updates the moments of one run, whose length is a multiple of 16; returns Σ weight² and Σ direction² over it.
    func measure(_ run: WeightRun, _ step: OptimizerStep) -> (weights: Double, directions: Double)
    /// The factor of the rate, from the norms of weights and direction over the whole parameter.
    func trust(weights: Double, direction: Double, decays: Bool) -> Double
    /// Changes the weights of one run, whose length is a multiple of 16, along the direction.
    func apply(_ run: WeightRun, _ step: OptimizerStep, trust: Float)
}

extension UpdateRule {
    public var layerwise: (any LayerwiseRule)? { nil }
}

/// The constants of a step.
public struct OptimizerStep: Sendable {
    /// The step's number, from 1.
    public let number: Int
    /// The learning rate of the step.
    public let learningRate: Double
    /// The factor of the gradients: from the mean over accumulated batches and from clipping.
    public let gradientScale: Float
}

/// Every optimiser, by the name that configurations use: a family with its default settings.
public let optimizers: Named<any UpdateRule> = [
    "sgd": MomentumRule(momentum: 0),
    "momentum": MomentumRule(momentum: 0.9),
    "nesterov": MomentumRule(momentum: 0.9, nesterov: true),
    "adam": AdaptiveRule(),
    "adamw": AdaptiveRule(weightDecay: 0.01, decoupled: true),
    "lamb": AdaptiveRule(epsilon: 1e-6, weightDecay: 0.01, trust: true),
]

/// The update rule of an optimiser.
///
/// - Parameters:
///   - name: a name in the list.
///   - settings: settings that replace the rule's defaults.
///   - list: the optimisers by name.
/// - Throws: `SettingsError`, if the name or a setting is invalid.
public func updateRule(
    _ name: String, settings: JSON = .object([:]), from list: Named<any UpdateRule> = optimizers
) throws(SettingsError) -> any UpdateRule {
    var rule = try list.find(name, for: "optimizer")
    try rule.merge(settings)
    return rule
}
