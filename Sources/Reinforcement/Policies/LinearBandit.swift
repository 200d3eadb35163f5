import Foundation
import Statistics
import Tensors

/// LinUCB with ε-greedy exploration: the reward of each choice is modelled as a linear function of the observation, and the choice with
/// the highest upper confidence bound is taken.  https://arxiv.org/abs/1003.0146
///
///     A = λI + Σ x xᵀ;  θ = A⁻¹ Σ r x;  score = θᵀx + α √(xᵀ A⁻¹ x)
///
/// A constant 1 is appended to the observation. With probability ε a choice is drawn uniformly, so that every choice has a positive
/// probability, as off-policy evaluation requires.
public final class LinearBandit: ConfigurablePolicy, Policy {
    public struct Configuration: Settings {
        /// α: the weight of the uncertainty of a choice.
        public var confidence = 1.0
        /// λ: the regularisation of the regression towards a reward of 0.
        public var ridge = 1.0
        /// ε: the fraction of decisions that are drawn uniformly.
        public var exploration = 0.1

        public init() {}

        public func validate() throws(SettingsError) {
            try SettingsError.require((0...1e9).contains(confidence), "confidence", "\(confidence) is not in 0…1e9")
            try SettingsError.require((1e-9...1e9).contains(ridge), "ridge", "\(ridge) is not in 1e-9…1e9")
            try SettingsError.require((0...1).contains(exploration), "exploration", "\(exploration) is not in 0…1")
        }
    }

    public let configuration: Configuration
    public let actions: ActionSpace
    public let inputs: Int
    public let parameters: ParameterStore<Float>
    public var policy: any Policy { self }
    public let batchSize = 1
    public let isOffPolicy = true
    private var models: [RidgeRegression]

    public init(inputs: Int, actions: ActionSpace, _ configuration: Configuration, seed: UInt64) throws(SettingsError) {
        try configuration.validate()
        guard case .choices(let count) = actions else {
            throw SettingsError("policy", "bandit supports choices only; for controls there are ppo and ddpg")
        }
        self.configuration = configuration
        self.actions = actions
        self.inputs = inputs
        models = Array(repeating: RidgeRegression(inputs: inputs, ridge: configuration.ridge), count: count)
        parameters = ParameterStore(
            ParameterLayout([
                Parameter("bandit.inverse", [count, inputs + 1, inputs + 1]), Parameter("bandit.reward", [count, inputs + 1]),
            ]))
        for choice in 0..<count { write(choice) }
    }

    public func learn(from transitions: [Transition]) -> PolicyProgress? {
        var progress = PolicyProgress(transitions: 0, loss: 0)
        for step in transitions {
            guard let choice = step.decision.choice, models.indices.contains(choice) else { continue }
            let error = step.reward - models[choice].prediction(step.observation)
            guard error.isFinite, models[choice].learn(step.observation, step.reward) else {
                progress.skipped += 1
                continue
            }
            write(choice)
            progress.transitions += 1
            progress.loss += min(error * error, 1e300)
        }
        guard progress.transitions > 0 || progress.skipped > 0 else { return nil }
        progress.loss /= Double(max(1, progress.transitions))
        return progress
    }

    public func resume(from state: PolicyState) {
        let d = inputs + 1, inverse = parameters["bandit.inverse"], reward = parameters["bandit.reward"]
        guard parameters.values.allSatisfy(\.isFinite) else {  // not usable: start from the initial model
            for choice in models.indices { write(choice) }
            return
        }
        for choice in models.indices {
            models[choice].inverse = (0..<d * d).map { Double(inverse[choice * d * d + $0]) }
            models[choice].weights = (0..<d).map { Double(reward[choice * d + $0]) }
        }
    }

    public func probabilities(on observation: [Float]) -> [Double] {
        let scores = scores(on: observation), best = likeliest(scores)
        let even = configuration.exploration / Double(scores.count)
        return scores.indices.map { even + ($0 == best ? 1 - configuration.exploration : 0) }
    }

    /// Draws a choice; the value of the decision is its expected reward.
    public func decide(on observation: [Float], explores: Bool, using random: inout RandomSource) -> Decision {
        let probabilities = probabilities(on: observation).map(Float.init)
        let choice = explores ? draw(from: probabilities, &random) : likeliest(probabilities)
        return Decision(
            choice: choice, logProbability: log(max(1e-30, Double(probabilities[choice]))), value: expected(observation, choice))
    }

    /// Writes the model of a choice to the published parameters, which are all that decisions need.
    private func write(_ choice: Int) {
        let d = inputs + 1, model = models[choice]
        let inverse = parameters["bandit.inverse"], reward = parameters["bandit.reward"]
        for i in 0..<d * d { inverse[choice * d * d + i] = Float(model.inverse[i]) }
        for (i, weight) in model.weights.enumerated() { reward[choice * d + i] = Float(weight) }
    }

    private func expected(_ observation: [Float], _ choice: Int) -> Double {
        let d = inputs + 1, reward = parameters["bandit.reward"]
        return (observation + [1]).enumerated().reduce(0) { $0 + Double($1.element) * Double(reward[choice * d + $1.offset]) }
    }

    private func scores(on observation: [Float]) -> [Float] {
        let d = inputs + 1, x = observation + [1], inverse = parameters["bandit.inverse"]
        return (0..<actions.width).map { choice in
            var spread = 0.0
            for i in 0..<d {
                for j in 0..<d { spread += Double(x[i]) * Double(inverse[(choice * d + i) * d + j]) * Double(x[j]) }
            }
            return Float(expected(observation, choice) + configuration.confidence * max(0, spread).squareRoot())
        }
    }
}
