import Learning
import Statistics
import Tensors

/// Learns where adapting should start, and if wanted how fast, from one batch of episodes after another: MAML, exact or first order.
///
/// The same episodes give the same numbers, to the bit. A learner has one owner.
public final class MetaLearner<Loss: TaskLoss> where Loss.S == Float {
    /// φ: where every task starts.
    public let meta: ParameterStore<Float>
    /// α of every number that learns.
    public let rates: ParameterStore<Float>
    public let configuration: MetaConfiguration
    private let metaGradient: MetaGradient<Loss>
    private let gradient: ParameterStore<Float>, rateGradient: ParameterStore<Float>
    private let optimizer: Optimizer, rateOptimizer: Optimizer

    /// - Parameter meta: changed from here on; none of the task's own stores.
    public init(_ configuration: MetaConfiguration, meta: ParameterStore<Float>, metaGradient: MetaGradient<Loss>) throws(SettingsError) {
        try configuration.validate()
        self.configuration = configuration
        self.meta = meta
        self.metaGradient = metaGradient
        gradient = ParameterStore(metaGradient.layout)
        rateGradient = ParameterStore(metaGradient.layout)
        rates = ParameterStore(metaGradient.layout)
        rates.values.fill(configuration.innerRate)
        optimizer = Optimizer(
            try updateRule(configuration.optimizer, settings: configuration.optimizerSettings), parameters: meta, gradients: gradient)
        rateOptimizer = Optimizer(
            try updateRule("adam", settings: ["learning_rate": .number(configuration.rateRate)]), parameters: rates, gradients: rateGradient
        )
    }

    /// One meta-step along the mean of the episodes' gradients; gives the mean loss of their queries after adapting.
    @discardableResult
    public func learn(_ episodes: [Episode<Loss.Examples>]) -> Double {
        precondition(!episodes.isEmpty, "a meta-step needs an episode")
        gradient.values.fill(0)
        rateGradient.values.fill(0)
        let isLearningRates = configuration.rateRate > 0
        var loss = 0.0
        for episode in episodes {
            loss += Double(
                metaGradient.add(
                    episode, from: meta, rates: rates, steps: configuration.steps, to: gradient,
                    rateGradient: isLearningRates ? rateGradient : nil
                ).queryLoss)
        }
        optimizer.step(averaging: episodes.count)
        if isLearningRates {
            rateOptimizer.step(averaging: episodes.count)
            // A rate below zero would climb.
            for place in rates.values.indices { rates.values[place] = max(0, rates.values[place]) }
        }
        return loss / Double(episodes.count)
    }
}

/// How a meta-learner learns.
public struct MetaConfiguration: Settings {
    /// Of adapting to a task.
    public var steps = 5
    /// α at the beginning.
    public var innerRate = 0.4
    /// Adam's rate for α itself; 0 where α stays as it is. Needs second order.  https://arxiv.org/abs/1707.09835
    public var rateRate = 0.0
    /// A name in `optimizers`, for φ.
    public var optimizer = "adam"
    /// Laid over the optimiser's defaults.
    public var optimizerSettings: JSONValue = .object([:])

    public init() {}

    public func validate() throws(SettingsError) {
        try SettingsError.require((1...1000).contains(steps), "steps", "\(steps) is not in 1 ... 1000")
        try SettingsError.require(innerRate > 0 && innerRate.isFinite, "inner_rate", "\(innerRate) is not positive")
        try SettingsError.require(rateRate >= 0 && rateRate.isFinite, "rate_rate", "\(rateRate) is negative")
        _ = try updateRule(optimizer, settings: optimizerSettings)
    }
}
