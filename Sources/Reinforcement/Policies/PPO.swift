import Learning
import Statistics
import Tensors

/// Proximal policy optimisation: several epochs over the newest transitions with a clipped objective.  https://arxiv.org/abs/1707.06347
public final class PPO: ConfigurablePolicy {
    public struct Configuration: Settings {
        public var learningRate = 2.5e-4
        /// The number of transitions of a round of learning.
        public var batch = 512
        public var minibatch = 128
        public var epochs = 4
        public var discount = 0.99
        /// λ of the advantage estimate.
        public var lambda = 0.95
        /// ε: how far the ratio of new to old probability may move from 1 in a round.
        public var clip = 0.2
        public var clipsValues = true
        public var valueWeight = 0.5
        public var entropyWeight = 0.01
        public var maximumGradientNorm = 0.5
        /// A round ends early when the KL divergence from the policy that decided exceeds this, in nats; 0 for no limit.
        public var targetDivergence = 0.0
        public var normalizesAdvantages = true
        public var hidden = [64, 64]
        /// The number of rounds over which the learning rate decreases to 0; 0 for a constant rate.
        public var annealRounds = 0

        public init() {}

        public func validate() throws(SettingsError) {
            try SettingsError.require((0...1000).contains(learningRate), "learning_rate", "\(learningRate) is not in 0…1000")
            try SettingsError.require((1...1_048_576).contains(batch), "batch", "\(batch) is not in 1…1048576")
            try SettingsError.require((1...batch).contains(minibatch), "minibatch", "\(minibatch) is not in 1…\(batch)")
            try SettingsError.require((1...1000).contains(epochs), "epochs", "\(epochs) is not in 1…1000")
            try SettingsError.require((0...1).contains(discount), "discount", "\(discount) is not in 0…1")
            try SettingsError.require((0...1).contains(lambda), "lambda", "\(lambda) is not in 0…1")
            try SettingsError.require(clip > 0 && clip < 1, "clip", "\(clip) is not between 0 and 1")
            try SettingsError.require((0...1e6).contains(valueWeight), "value_weight", "\(valueWeight) is not in 0…1e6")
            try SettingsError.require((0...1e6).contains(entropyWeight), "entropy_weight", "\(entropyWeight) is not in 0…1e6")
            try SettingsError.require(
                (0...1e9).contains(maximumGradientNorm), "maximum_gradient_norm", "\(maximumGradientNorm) is not in 0…1e9")
            try SettingsError.require(targetDivergence >= 0, "target_divergence", "\(targetDivergence) is negative")
            try SettingsError.require(
                hidden.count <= 16 && hidden.allSatisfy { (1...1024).contains($0) }, "hidden", "\(hidden): at most 16, each in 1…1024")
            try SettingsError.require(annealRounds >= 0, "anneal_rounds", "\(annealRounds) is negative")
        }
    }

    public let configuration: Configuration
    public let network: ActorCritic
    public private(set) var rounds = 0
    public var policy: any Policy { actorCritic }
    public var batchSize: Int { configuration.batch }
    private let actorCritic: ActorCriticPolicy
    private let graph: Graph<Float>
    private let observations: Tensor<Float>
    private let loss: PPOLoss<Float>
    private let distribution: any ActionDistribution<Float>
    private let optimizer: Optimizer
    private var random: RandomSource
    private var waiting: [Transition] = []

    public init(inputs: Int, actions: ActionSpace, _ configuration: Configuration, seed: UInt64) throws(SettingsError) {
        try configuration.validate()
        self.configuration = configuration
        random = RandomSource(seed: seed)
        network = ActorCritic(inputs: inputs, actions: actions, hidden: configuration.hidden)
        let parameters: ParameterStore<Float> = network.initialStore(using: &random)
        actorCritic = ActorCriticPolicy(network, parameters: parameters)
        graph = Graph(parameters: parameters)
        observations = graph.input([configuration.minibatch, inputs])
        (loss, distribution) = network.loss(observations, configuration, in: graph)
        var rule = AdaptiveRule(learningRate: configuration.learningRate, epsilon: 1e-5)
        rule.clipNorm = configuration.maximumGradientNorm
        optimizer = Optimizer(rule, parameters: parameters, gradients: graph.gradients)
    }

    public func learn(from transitions: [Transition]) -> PolicyProgress? {
        waiting += transitions.finite
        guard waiting.count >= configuration.batch else { return nil }
        defer { waiting.removeAll(keepingCapacity: true) }
        return round(over: waiting)
    }

    public var state: PolicyState {
        var state = PolicyState(numbers: ["rounds": Double(rounds)])
        state.keep(optimizer, as: "optimizer")
        return state
    }

    public func resume(from state: PolicyState) {
        rounds = state.numbers["rounds"].flatMap(Int.init(exactly:)) ?? 0
        state.restore(optimizer, as: "optimizer")
    }

    private func round(over steps: [Transition]) -> PolicyProgress {
        let targets = Advantages(of: steps, discount: configuration.discount, lambda: configuration.lambda)
        if configuration.annealRounds > 0 {
            optimizer.rateScale = max(0, 1 - Double(rounds) / Double(configuration.annealRounds))
        }
        rounds += 1
        var progress = PolicyProgress(transitions: steps.count, loss: 0)
        let skipped = optimizer.skipped
        var order = Array(steps.indices), taken = 0
        epochs: for _ in 0..<configuration.epochs {
            random.shuffle(&order)
            for start in stride(from: 0, to: order.count, by: configuration.minibatch) {
                let part = order[start..<min(start + configuration.minibatch, order.count)]
                set(part, steps, targets)
                graph.forward()
                progress.divergence = finite(loss.divergence)
                if configuration.targetDivergence > 0, progress.divergence > configuration.targetDivergence { break epochs }
                progress.loss += finite(Double(loss.total.value))
                taken += 1
                graph.backward(from: loss.total)
                optimizer.step()
            }
        }
        progress.loss /= Double(max(1, taken))
        progress.skipped = optimizer.skipped - skipped
        return progress
    }

    private func set(_ part: ArraySlice<Int>, _ steps: [Transition], _ targets: Advantages) {
        var moments = RunningMoments()
        for index in part { moments.add(targets.advantages[index]) }
        let normalizes = configuration.normalizesAdvantages && part.count > 1
        let (center, scale) = normalizes ? (moments.mean, 1 / (moments.standardDeviation + 1e-8)) : (0, 1)
        loss.weights.fill(0)
        for (row, index) in part.enumerated() {
            let step = steps[index], columns = observations.columns
            for column in 0..<columns { observations.values[row * columns + column] = step.observation[column] }
            distribution.take(step.decision, row: row)
            loss.oldLogProbabilities.values[row] = Float(gaussianLogProbability(of: step.decision, bounds: network.actions.bounds))
            loss.advantages.values[row] = Float((targets.advantages[index] - center) * scale)
            loss.returns.values[row] = Float(targets.returns[index])
            loss.oldValues.values[row] = Float(step.decision.value)
            loss.weights.values[row] = 1
        }
    }
}
