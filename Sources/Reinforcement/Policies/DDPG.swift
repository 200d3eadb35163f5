import Learning
import Statistics
import Tensors

/// Deep deterministic policy gradient: a critic learns the values of actions from a replay buffer, and an actor maximises the critic.
/// Bootstrap values come from slowly updated target networks.  https://arxiv.org/abs/1509.02971
public final class DDPG: ConfigurablePolicy {
    public struct Configuration: Settings {
        public var learningRate = 3e-4
        /// Capacity of the replay buffer in transitions.
        public var memory = 1_000_000
        public var batch = 256
        public var discount = 0.99
        /// τ: how far the target networks move towards the learned ones in a step.
        public var tau = 0.005
        /// σ of the exploration noise, relative to half a control's range.
        public var noise = 0.1
        /// The number of transitions in the replay buffer before learning begins.
        public var warmup = 1000
        /// The number of critic steps for each actor step.
        public var actorInterval = 2
        public var hidden = [256, 256]

        public init() {}

        public func validate() throws(SettingsError) {
            try SettingsError.require((0...1000).contains(learningRate), "learning_rate", "\(learningRate) is not in 0…1000")
            try SettingsError.require((1...10_000_000).contains(memory), "memory", "\(memory) is not in 1…10000000")
            try SettingsError.require((1...65_536).contains(batch), "batch", "\(batch) is not in 1…65536")
            try SettingsError.require((0...1).contains(discount), "discount", "\(discount) is not in 0…1")
            try SettingsError.require(tau > 0 && tau <= 1, "tau", "\(tau) is not in 0…1")
            try SettingsError.require((0...1e6).contains(noise), "noise", "\(noise) is not in 0…1e6")
            try SettingsError.require((1...memory).contains(warmup), "warmup", "\(warmup) is not in 1…\(memory)")
            try SettingsError.require(actorInterval >= 1, "actor_interval", "\(actorInterval) is not positive")
            try SettingsError.require(
                hidden.count <= 16 && hidden.allSatisfy { (1...1024).contains($0) }, "hidden", "\(hidden): at most 16, each in 1…1024")
        }
    }

    public let configuration: Configuration
    public let policy: any Policy
    public let batchSize = 1
    public let isOffPolicy = true
    private let network: DeterministicActorCritic
    public let parameters: ParameterStore<Float>
    private let targets: ParameterStore<Float>
    private var memory: TransitionMemory
    private var random: RandomSource
    private var steps = 0

    private let targetGraph: Graph<Float>, criticGraph: Graph<Float>, actorGraph: Graph<Float>
    private let next: Tensor<Float>, nextValues: Tensor<Float>
    private let observations: Tensor<Float>, actions: Tensor<Float>, wanted: Tensor<Float>, criticLoss: Tensor<Float>
    private let actorObservations: Tensor<Float>, actorLoss: Tensor<Float>
    private let criticOptimizer: Optimizer, actorOptimizer: Optimizer

    public init(inputs: Int, actions space: ActionSpace, _ configuration: Configuration, seed: UInt64) throws(SettingsError) {
        try configuration.validate()
        try Self.check(space)
        self.configuration = configuration
        random = RandomSource(seed: seed)
        let network = DeterministicActorCritic(inputs: inputs, actions: space, hidden: configuration.hidden), B = configuration.batch
        self.network = network
        parameters = network.initialStore(using: &random)
        targets = parameters.copy()
        policy = DeterministicPolicy(network, parameters: parameters, noise: configuration.noise)
        memory = TransitionMemory(capacity: configuration.memory, inputs: inputs, width: space.width)

        targetGraph = .predicting(parameters: targets)
        next = targetGraph.input([B, inputs])
        nextValues = network.evaluate(next, network.act(next, in: targetGraph), in: targetGraph)

        criticGraph = Graph(parameters: parameters, learning: DeterministicActorCritic.isCritic)
        observations = criticGraph.input([B, inputs])
        actions = criticGraph.input([B, space.width])
        wanted = criticGraph.input([B])
        criticLoss = network.criticLoss(observations, actions, targets: wanted, in: criticGraph)

        actorGraph = Graph(parameters: parameters, learning: DeterministicActorCritic.isActor)
        actorObservations = actorGraph.input([B, inputs])
        actorLoss = network.actorLoss(actorObservations, in: actorGraph)

        let rule = AdaptiveRule(learningRate: configuration.learningRate)
        criticOptimizer = Optimizer(rule, parameters: parameters, gradients: criticGraph.gradients)
        actorOptimizer = Optimizer(rule, parameters: parameters, gradients: actorGraph.gradients)
    }

    /// The target networks, the optimisers, and the newest transitions of the replay buffer.
    public var state: PolicyState {
        var state = memory.state(atMost: Self.keptNumbers)
        state.numbers["steps"] = Double(steps)
        state.tensors["targets"] = Array(targets.values)
        state.keep(criticOptimizer, as: "critic")
        state.keep(actorOptimizer, as: "actor")
        return state
    }

    /// The maximum count of numbers of the replay buffer in a state: 16 MiB.
    private static let keptNumbers = 1 << 22

    public func resume(from state: PolicyState) {
        targets.assign(from: parameters)
        if let kept = state.numbers("targets", targets.values.count) { _ = targets.values.update(fromContentsOf: kept) }
        steps = state.numbers["steps"].flatMap(Int.init(exactly:)) ?? 0
        state.restore(criticOptimizer, as: "critic")
        state.restore(actorOptimizer, as: "actor")
        memory.restore(state)
    }

    /// Adds transitions to the replay buffer; with each one, once there are enough, it takes one step of learning.
    public func learn(from transitions: [Transition]) -> PolicyProgress? {
        var progress = PolicyProgress(transitions: transitions.count, loss: 0), taken = 0
        let skipped = criticOptimizer.skipped + actorOptimizer.skipped
        for step in transitions.finite {
            memory.append(step)
            guard memory.count >= max(configuration.warmup, 1) else { continue }
            progress.loss += finite(learn())
            taken += 1
        }
        guard taken > 0 else { return nil }
        progress.loss /= Double(taken)
        progress.skipped = criticOptimizer.skipped + actorOptimizer.skipped - skipped
        return progress
    }

    /// Takes a step with the targets y = r + γ Q′(s′, μ′(s′)), without the second term after a terminal step.
    /// - Returns: the critic's loss.
    private func learn() -> Double {
        let B = configuration.batch, inputs = network.inputs, width = actions.columns
        var rows: [(reward: Float, follows: Float)] = []
        rows.reserveCapacity(B)
        for row in 0..<B {
            let step = memory[random.uniform(below: memory.count)]
            for (column, number) in step.observation.enumerated() { observations.values[row * inputs + column] = number }
            for (column, number) in step.next.enumerated() { next.values[row * inputs + column] = number }
            for (column, number) in step.action.enumerated() { actions.values[row * width + column] = number }
            rows.append((step.reward, step.follows))
        }
        targetGraph.forward()
        for (row, step) in rows.enumerated() {
            wanted.values[row] = step.reward + Float(configuration.discount) * step.follows * nextValues.values[row]
        }
        criticGraph.forward()
        criticGraph.backward(from: criticLoss)
        criticOptimizer.step()
        steps += 1
        if steps.isMultiple(of: configuration.actorInterval) {
            _ = actorObservations.values.update(fromContentsOf: observations.values)
            actorGraph.forward()
            actorGraph.backward(from: actorLoss)
            actorOptimizer.step()
            updateTargets()
        }
        return Double(criticLoss.value)
    }

    /// θ′ ← θ′ + τ (θ − θ′)
    private func updateTargets() {
        let tau = Float(configuration.tau), learned = parameters.values, target = targets.values
        for i in 0..<learned.count { target[i] += tau * (learned[i] - target[i]) }
    }
}
