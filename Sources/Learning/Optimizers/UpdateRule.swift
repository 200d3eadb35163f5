import Statistics

/// A family of optimisers: its switches, and how one step changes weights. It holds no memory of its own.
public protocol UpdateRule: Settings {
    /// The rate before the schedule's share is taken.
    var learningRate: Double { get }
    /// Gradients are scaled down where the norm of all of them together is greater; 0 for never.
    var clipNorm: Double { get }
    /// Whether weights of fewer than two dimensions (biases, norms) decay too.
    var decayVectors: Bool { get }
    var schedule: Schedule { get }
    /// The numbers kept for each weight, by name; at most two.
    var moments: [String] { get }
    /// Set where the length of a parameter's step depends on the whole parameter.
    var layerwise: (any LayerwiseRule)? { get }

    /// Moves the moments and the weights of one run of whole sixteens.
    func update(_ run: WeightRun, _ step: OptimizerStep)
}

/// An update rule that looks at a whole parameter before it moves it.
public protocol LayerwiseRule: Sendable {
    /// Moves the moments of one run of whole sixteens; Σ weight² and Σ (its direction)² over it.
    func measure(_ run: WeightRun, _ step: OptimizerStep) -> (weights: Double, directions: Double)
    /// What to multiply the rate with, given the two norms over the whole parameter.
    func trust(weights: Double, direction: Double, decays: Bool) -> Double
    /// Moves the weights of one run of whole sixteens along its direction.
    func apply(_ run: WeightRun, _ step: OptimizerStep, trust: Float)
}

extension UpdateRule {
    public var layerwise: (any LayerwiseRule)? { nil }
}

/// What is the same for every run of a step.
public struct OptimizerStep: Sendable {
    /// From 1.
    public let number: Int
    public let learningRate: Double
    /// What gradients are multiplied with: the mean over accumulated batches, and clipping.
    public let gradientScale: Float
}

/// Every optimiser, by the name that configurations use: a family, and its switches.
public let optimizers: Named<any UpdateRule> = [
    "sgd": MomentumRule(momentum: 0),
    "momentum": MomentumRule(momentum: 0.9),
    "nesterov": MomentumRule(momentum: 0.9, nesterov: true),
    "adam": AdaptiveRule(),
    "adamw": AdaptiveRule(weightDecay: 0.01, decoupled: true),
    "lamb": AdaptiveRule(epsilon: 1e-6, weightDecay: 0.01, trust: true),
]

/// The rule of an optimiser's name with settings laid over its defaults.
public func updateRule(
    _ name: String, settings: JSONValue = .object([:]), from list: Named<any UpdateRule> = optimizers
) throws(SettingsError) -> any UpdateRule {
    var rule = try list.find(name, for: "optimizer")
    try rule.merge(settings)
    return rule
}
