import Foundation
import Learning
import Statistics
import Tensors

/// PPO token by token: a language model writes, its texts are scored, and a penalty keeps it near the model that it was.
///
///     rₜ = scoreₜ − β (ln π(xₜ) − ln π_ref(xₜ)), where a score of the whole text is one of its last token;  https://arxiv.org/abs/1909.08593
///
/// β rises while the divergence is above its target and falls while it is below, by at most a fifth of `adaptation` a round.
public final class TextPPO {
    public struct Configuration: Settings {
        public var learningRate = 2e-4
        /// Texts written in a round, and learned from at once.
        public var texts = 32
        public var minibatch = 8
        public var epochs = 4
        /// Tokens that are given and that are written.
        public var prompt = 8
        public var length = 24
        public var discount = 1.0
        public var lambda = 0.95
        public var clip = 0.2
        public var valueWeight = 0.5
        public var entropyWeight = 0.0
        public var maximumGradientNorm = 1.0
        /// β at the start, in reward a nat; 0: nothing holds the model back.
        public var penalty = 0.03
        /// The divergence from the reference that β aims at, in nats a token.
        public var targetDivergence = 0.2
        /// How fast β moves; 0: it stays.
        public var adaptation = 0.1
        /// A round ends when the policy has moved this far from the one that wrote, in nats; 0: never.
        public var roundDivergence = 0.05

        public init() {}

        public func validate() throws(SettingsError) {
            try SettingsError.require(learningRate >= 0, "learning_rate", "\(learningRate) is negative")
            try SettingsError.require(minibatch >= 1 && texts.isMultiple(of: minibatch), "minibatch", "\(texts) texts are not so many times \(minibatch)")
            try SettingsError.require(texts >= 1 && epochs >= 1 && prompt >= 1 && length >= 1, "texts", "texts, epochs, prompt and length want to be positive")
            try SettingsError.require((0...1).contains(discount) && (0...1).contains(lambda), "discount", "discount and lambda are within 0…1")
            try SettingsError.require(clip > 0 && clip < 1, "clip", "\(clip) is not between 0 and 1")
            try SettingsError.require(penalty >= 0 && adaptation >= 0 && roundDivergence >= 0, "penalty", "penalty, adaptation and round_divergence are not negative")
            try SettingsError.require(targetDivergence > 0, "target_divergence", "\(targetDivergence) is not positive")
        }
    }

    /// What a round came to.
    public struct Round: Sendable, Equatable, Codable {
        /// The mean score of the texts, all their tokens' together, before learning from them.
        public var score: Double
        /// KL(π ‖ π_ref) over the whole vocabulary, in nats a token.
        public var divergence: Double
        public var penalty: Double
        public var loss: Double
        /// Steps not taken because a gradient was not finite.
        public var skipped: Int
    }

    public let configuration: Configuration
    public let parameters: ParameterStore<Float>
    /// β
    public private(set) var penalty: Double
    private let time: Int
    private let writing: TextPolicy.Recording<Float>, writingGraph: Graph<Float>, logProbabilities: Tensor<Float>
    private let referenceGraph: Graph<Float>, reference: TextPolicy.Recording<Float>, referenceLogs: Tensor<Float>
    private let learning: TextPolicy.Recording<Float>, learningGraph: Graph<Float>
    private let distribution: Categorical<Float>, loss: PPOLoss<Float>
    private let optimizer: Optimizer
    private var random: RandomSource

    /// - Parameters:
    ///   - parameters: of the policy as it stands; a copy of them is the reference, and never moves.
    ///   - learns: which of them learn: all, or adapters and the value's head.
    public init(
        _ policy: TextPolicy, parameters: ParameterStore<Float>, learning learns: (Parameter) -> Bool = { _ in true }, _ configuration: Configuration, seed: UInt64
    ) throws(SettingsError) {
        try configuration.validate()
        let time = configuration.prompt + configuration.length
        try SettingsError.require(time <= policy.model.configuration.positions, "length", "\(time) tokens in \(policy.model.configuration.positions) positions")
        self.configuration = configuration
        self.parameters = parameters
        self.time = time
        penalty = configuration.penalty
        random = RandomSource(seed: seed)

        writingGraph = .predicting(parameters: parameters)
        writing = policy.record(texts: configuration.texts, time: time, in: writingGraph)
        logProbabilities = writingGraph.logSoftmax(writing.logits)
        referenceGraph = .predicting(parameters: parameters.copy())
        reference = policy.record(texts: configuration.texts, time: time, in: referenceGraph)
        referenceLogs = referenceGraph.logSoftmax(reference.logits)

        learningGraph = Graph(parameters: parameters, learning: learns)
        learning = policy.record(texts: configuration.minibatch, time: time, in: learningGraph)
        distribution = learningGraph.categorical(learning.logits)
        loss = PPOLoss(
            distribution, values: learning.values, clip: configuration.clip, valueWeight: configuration.valueWeight,
            entropyWeight: configuration.entropyWeight, clipsValues: true, in: learningGraph)
        var rule = AdaptiveRule(learningRate: configuration.learningRate, epsilon: 1e-5)
        rule.clipNorm = configuration.maximumGradientNorm
        optimizer = Optimizer(rule, parameters: parameters, gradients: learningGraph.gradients)
    }

    /// Writes on from every prompt, has the texts scored, and learns from them.
    /// - Parameters:
    ///   - prompts: as many as texts, each of `prompt` tokens.
    ///   - score: of what was written behind a prompt, one number a token: zeros but for the last, where only the whole can be judged.
    public func round(prompts: [[Int]], score: ([Int]) -> [Double]) -> Round {
        precondition(prompts.count == configuration.texts && prompts.allSatisfy { $0.count == configuration.prompt }, "\(configuration.texts) prompts of \(configuration.prompt) tokens")
        write(prompts)
        for place in 0..<writing.ids.count { reference.ids[place] = writing.ids[place] }
        referenceGraph.forward()
        let scores = (0..<configuration.texts).map { text in score(written(text)) }
        let divergence = self.divergence
        let steps = (0..<configuration.texts).map { transitions(of: $0, scores: scores[$0]) }
        let skipped = optimizer.skipped
        let loss = learn(from: steps)
        defer { adapt(to: divergence) }
        return Round(
            score: scores.reduce(0) { $0 + $1.reduce(0, +) } / Double(scores.count), divergence: divergence, penalty: penalty, loss: loss,
            skipped: optimizer.skipped - skipped)
    }

    /// The newest texts, without their prompts.
    public func written(_ text: Int) -> [Int] { (configuration.prompt..<time).map { writing.ids[text * time + $0] } }

    /// The places of a text at which a token was chosen: each tells the token behind it.
    private func places(of text: Int) -> Range<Int> { text * time + configuration.prompt - 1..<(text + 1) * time - 1 }

    private func write(_ prompts: [[Int]]) {
        for (text, prompt) in prompts.enumerated() {
            for t in 0..<time { writing.ids[text * time + t] = t < prompt.count ? prompt[t] : 0 }
        }
        let V = logProbabilities.columns
        for t in configuration.prompt..<time {
            writingGraph.forward()
            for text in prompts.indices {
                let row = text * time + t - 1
                writing.ids[text * time + t] = draw(from: logProbabilities.values[row * V..<(row + 1) * V].lazy.map { exp($0) }, &random)
            }
        }
        writingGraph.forward()
    }

    private var divergence: Double {
        let V = logProbabilities.columns
        var sum = 0.0
        for text in 0..<configuration.texts {
            for row in places(of: text) {
                for v in row * V..<(row + 1) * V {
                    sum += Double(exp(logProbabilities.values[v]) * (logProbabilities.values[v] - referenceLogs.values[v]))
                }
            }
        }
        return sum / Double(configuration.texts * configuration.length)
    }

    private func transitions(of text: Int, scores: [Double]) -> [Transition] {
        let V = logProbabilities.columns, places = places(of: text)
        precondition(scores.count == places.count, "\(scores.count) scores for \(places.count) tokens")
        return zip(places, scores).map { row, score in
            let token = writing.ids[row + 1], log = Double(logProbabilities.values[row * V + token]), isLast = row == places.upperBound - 1
            let reward = score - penalty * (log - Double(referenceLogs.values[row * V + token]))
            return Transition(
                observation: [], decision: Decision(choice: token, logProbability: log, value: Double(writing.values.values[row])), reward: reward,
                next: [], nextValue: isLast ? 0 : Double(writing.values.values[row + 1]), isTerminal: isLast, isLast: isLast)
        }
    }

    /// The mean loss.
    private func learn(from steps: [[Transition]]) -> Double {
        let targets = steps.map { Advantages(of: $0, discount: configuration.discount, lambda: configuration.lambda) }
        var moments = RunningMoments()
        for target in targets { for advantage in target.advantages { moments.add(advantage) } }
        var order = Array(steps.indices), sum = 0.0, taken = 0
        epochs: for _ in 0..<configuration.epochs {
            random.shuffle(&order)
            for start in stride(from: 0, to: order.count, by: configuration.minibatch) {
                loss.weights.fill(0)
                for (slot, text) in order[start..<start + configuration.minibatch].enumerated() {
                    set(slot, text, steps[text], targets[text], moments)
                }
                learningGraph.forward()
                if configuration.roundDivergence > 0, loss.divergence > configuration.roundDivergence { break epochs }
                sum += Double(loss.total.value)
                taken += 1
                learningGraph.backward(from: loss.total)
                optimizer.step()
            }
        }
        return sum / Double(max(1, taken))
    }

    private func set(_ slot: Int, _ text: Int, _ steps: [Transition], _ targets: Advantages, _ moments: RunningMoments) {
        for t in 0..<time { learning.ids[slot * time + t] = writing.ids[text * time + t] }
        for (index, step) in steps.enumerated() {
            let row = slot * time + configuration.prompt - 1 + index
            distribution.take(step.decision, row: row)
            loss.oldLogProbabilities.values[row] = Float(step.decision.logProbability)
            loss.advantages.values[row] = Float((targets.advantages[index] - moments.mean) / (moments.standardDeviation + 1e-8))
            loss.returns.values[row] = Float(targets.returns[index])
            loss.oldValues.values[row] = Float(step.decision.value)
            loss.weights.values[row] = 1
        }
    }

    /// β ← β (1 + adaptation · clip(KL / target − 1, ±0.2))
    private func adapt(to divergence: Double) {
        let error = min(0.2, max(-0.2, divergence / configuration.targetDivergence - 1))
        penalty *= 1 + configuration.adaptation * error
    }
}
