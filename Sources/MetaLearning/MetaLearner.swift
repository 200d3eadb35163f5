import Learning
import Statistics
import StrictJSON
import Tensors

/// MAML, exact or first order: learns the initial parameters of tasks, and optionally the rates of adapting, from batches of episodes.
///
/// Equal episodes give equal numbers, bit for bit. A learner must be used by one thread at a time.
public final class MetaLearner<Loss: TaskLoss> where Loss.S == Float {
    /// φ: the initial parameters of every task.
    public let meta: ParameterStore<Float>
    /// α of every learned number.
    public let rates: ParameterStore<Float>
    public let configuration: MetaConfiguration
    private let metaGradient: MetaGradient<Loss>
    private let gradient: ParameterStore<Float>, rateGradient: ParameterStore<Float>
    private let optimizer: Optimizer, rateOptimizer: Optimizer

    /// - Parameters:
    ///   - configuration: the settings.
    ///   - meta: the initial meta-parameters, which are changed by learning; a store other than the task's.
    ///   - metaGradient: computes the gradients.
    /// - Throws: a setting that is not valid.
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

    /// Takes one meta-step along the mean of the episodes' gradients.
    /// - Returns: the mean loss of the queries after adapting.
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
            // A negative rate would ascend the loss.
            for place in rates.values.indices { rates.values[place] = max(0, rates.values[place]) }
        }
        return loss / Double(episodes.count)
    }
}

/// The settings of a meta-learner.
public struct MetaConfiguration: Settings {
    /// The number of steps of adapting to a task.
    public var steps = 5
    /// The initial α.
    public var innerRate = 0.4
    /// Adam's learning rate for α; 0 for a constant α. Requires second order.  https://arxiv.org/abs/1707.09835
    public var rateRate = 0.0
    /// The optimiser of φ: a key of `optimizers`.
    public var optimizer = "adam"
    /// Settings that override the optimiser's defaults.
    public var optimizerSettings: JSON = .object([:])

    public init() {}

    public func validate() throws(SettingsError) {
        try SettingsError.require((1...1000).contains(steps), "steps", "\(steps) is not in 1 ... 1000")
        try SettingsError.require(innerRate > 0 && innerRate.isFinite, "inner_rate", "\(innerRate) is not positive")
        try SettingsError.require(rateRate >= 0 && rateRate.isFinite, "rate_rate", "\(rateRate) is negative")
        _ = try updateRule(optimizer, settings: optimizerSettings)
    }
}
