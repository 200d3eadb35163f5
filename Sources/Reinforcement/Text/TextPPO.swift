import Layers
import Learning
import Model
import Statistics
import Tensors

/// PPO for a language model that writes texts: each text is rewarded as a whole, and a KL penalty for each token keeps the policy near a
/// reference model.
///
///     rₜ = reward at the last token, 0 before − β (ln π(xₜ) − ln π_ref(xₜ));  https://arxiv.org/abs/1909.08593
///
/// β increases while the divergence is above its target and decreases while it is below, by at most a fifth of `adaptation` per round.
///
/// The base model goes on learning after the texts were written, so the policy at the beginning of a round is not the one that wrote
/// them. Ratios are clipped around the policy at the beginning of the round, and tokens whose probability has decreased since they were
/// written are weighted down by that ratio.  https://arxiv.org/abs/2110.00641
public final class TextPPO: PolicyLearner {
    public let configuration: Configuration
    public let policy: TextPolicy
    public let parameters: ParameterStore<Float>
    public var batchSize: Int { configuration.texts }
    /// β
    public private(set) var penalty: Double
    /// The KL divergence of the policy at the beginning of the newest round from the one that wrote its texts, in nats per token.
    public private(set) var drift = 0.0
    /// Returns the current parameters of the base model.
    private let base: () -> ParameterStore<Float>
    /// All parameters that the policy writes with; of these, its own ones are learned.
    private let whole: ParameterStore<Float>
    private let reference: ParameterStore<Float>
    private let maximumTokens: Int
    private let recording: TextPolicy.Recording<Float>, graph: Graph<Float>
    private let distribution: Categorical<Float>, loss: PPOLoss<Float>
    private let referenceLanguage: MomentLanguage<Float>, referenceGraph: Graph<Float>, referenceLogs: Tensor<Float>
    private let optimizer: Optimizer
    private var random: RandomSource
    private var waiting: [Transition] = []
    private static let greatestPenalty = 1e6

    /// Creates a learner.
    /// - Parameters:
    ///   - policy: the policy.
    ///   - configuration: the settings.
    ///   - maximumTokens: the maximum number of tokens of a text.
    ///   - temperature: the sampling temperature of the texts.
    ///   - seed: the seed of the initial parameters and of the order of texts.
    ///   - base: returns the current parameters of the base model.
    /// - Throws: a setting that is not valid.
    public init(
        _ policy: TextPolicy, _ configuration: Configuration, maximumTokens: Int, temperature: Double, seed: UInt64,
        base: @escaping () -> ParameterStore<Float>
    ) throws(SettingsError) {
        try configuration.validate()
        self.configuration = configuration
        self.policy = policy
        self.base = base
        self.maximumTokens = maximumTokens
        penalty = configuration.penalty
        random = RandomSource(seed: seed)
        whole = policy.initialStore(using: &random)
        parameters = ParameterStore(policy.own)
        reference = ParameterStore(policy.plain.layout)

        let rows = configuration.minibatch * maximumTokens
        graph = Graph(parameters: whole, learning: policy.isOwn)
        recording = policy.record(texts: configuration.minibatch, rows: rows, temperature: temperature, in: graph)
        distribution = graph.categorical(recording.logits)
        loss = PPOLoss(
            distribution, values: recording.values, clip: configuration.clip, valueWeight: configuration.valueWeight,
            entropyWeight: configuration.entropyWeight, clipsValues: true, in: graph)
        referenceGraph = .predicting(parameters: reference)
        referenceLanguage = MomentLanguage(policy.plain, batch: configuration.minibatch, rows: rows, in: referenceGraph)
        referenceLogs = referenceGraph.logSoftmax(referenceGraph.affine(referenceLanguage.logits, scale: 1 / temperature))
        var rule = AdaptiveRule(learningRate: configuration.learningRate, epsilon: 1e-5)
        rule.clipNorm = configuration.maximumGradientNorm
        optimizer = Optimizer(rule, parameters: whole, gradients: graph.gradients)

        configuration.adapters?.initialize(in: whole, using: &random)
        reference.assign(from: base())
        for parameter in reference.layout.parameters { _ = whole[parameter.name].update(fromContentsOf: reference[parameter.name]) }
        publish()
    }

    /// Adds texts, and learns when there are enough. Transitions without a text are ignored.
    public func learn(from transitions: [Transition]) -> PolicyProgress? {
        waiting += transitions.filter { $0.decision.text != nil && $0.isFinite }
        guard waiting.count >= configuration.texts else { return nil }
        defer { waiting.removeFirst(configuration.texts) }
        return round(over: Array(waiting.prefix(configuration.texts)))
    }

    public var state: PolicyState {
        var state = PolicyState(numbers: ["penalty": penalty])
        state.keep(optimizer, as: "optimizer")
        if configuration.pinsReference { state.tensors["reference"] = Array(reference.values) }
        return state
    }

    public func resume(from state: PolicyState) {
        for parameter in parameters.layout.parameters { _ = whole[parameter.name].update(fromContentsOf: parameters[parameter.name]) }
        penalty = state.numbers["penalty"].flatMap { (0...Self.greatestPenalty).contains($0) ? $0 : nil } ?? configuration.penalty
        state.restore(optimizer, as: "optimizer")
        if let kept = state.numbers("reference", reference.values.count) { _ = reference.values.update(fromContentsOf: kept) }
    }

    private func round(over texts: [Transition]) -> PolicyProgress {
        copyBase()
        let (steps, divergence) = measured(texts)
        drift = finite(drift(of: texts, steps))
        let skipped = optimizer.skipped
        var progress = PolicyProgress(transitions: texts.count, loss: 0, fromReference: finite(divergence), penalty: penalty)
        progress.loss = learn(texts, steps)
        progress.divergence = finite(loss.divergence)
        progress.skipped = optimizer.skipped - skipped
        adapt(to: divergence)
        publish()
        return progress
    }

    /// Copies the parameters of the base model, which may have learned since the last round.
    private func copyBase() {
        let base = base()
        for parameter in base.layout.parameters where !policy.isOwn(parameter) {
            _ = whole[parameter.name].update(fromContentsOf: base[parameter.name])
        }
        if !configuration.pinsReference { reference.assign(from: base) }
    }

    private func publish() {
        for parameter in parameters.layout.parameters { _ = parameters[parameter.name].update(fromContentsOf: whole[parameter.name]) }
    }

    /// A transition for each token of the texts, with rewards after the penalty; and KL(π ‖ π_ref) over the whole vocabulary, in nats
    /// per token.
    private func measured(_ texts: [Transition]) -> ([[Transition]], divergence: Double) {
        var steps: [[Transition]] = [], divergence = 0.0, count = 0
        let V = referenceLogs.columns
        for start in stride(from: 0, to: texts.count, by: configuration.minibatch) {
            let part = texts[start..<start + configuration.minibatch]
            for (slot, text) in part.enumerated() { set(slot, text, in: referenceLanguage) }
            for (slot, text) in part.enumerated() { set(slot, text, in: recording.language) }
            for (slot, text) in part.enumerated() {
                for (row, token) in zip(rows(slot, maximumTokens), text.decision.text?.tokens ?? []) { distribution.taken[row] = token }
            }
            graph.forward()
            referenceGraph.forward()
            for (slot, text) in part.enumerated() {
                let written = text.decision.text?.tokens ?? []
                for row in rows(slot, written.count) {
                    let kept = row * V..<(row + 1) * V
                    let agreement = zip(distribution.probabilities.values[kept], referenceLogs.values[kept]).reduce(0) {
                        $0 + Double($1.0 * $1.1)
                    }
                    divergence -= Double(distribution.entropy.values[row]) + agreement
                }
                count += written.count
                steps.append(self.steps(of: text, rows(slot, written.count)))
            }
        }
        return (steps, divergence / Double(max(1, count)))
    }

    /// mean((r − 1) − ln r), r = π / π_written: an estimate of KL(π_written ‖ π).
    private func drift(of texts: [Transition], _ steps: [[Transition]]) -> Double {
        let logRatios = zip(texts, steps).flatMap { text, steps in
            zip(steps, text.decision.text?.logProbabilities ?? []).map { $0.decision.logProbability - Double($1) }
        }
        return logRatios.reduce(0) { $0 + Double.exp($1) - 1 - $1 } / Double(max(1, logRatios.count))
    }

    /// The transitions of a text, with probabilities and values of the policy at the beginning of the round.
    private func steps(of text: Transition, _ rows: Range<Int>) -> [Transition] {
        let V = referenceLogs.columns
        return zip(rows, text.decision.text?.tokens ?? []).map { row, token in
            let log = Double(distribution.logProbability.values[row]), isLast = row == rows.upperBound - 1
            let held = penalty * (log - Double(referenceLogs.values[row * V + token]))
            return Transition(
                observation: [], decision: Decision(choice: token, logProbability: log, value: Double(recording.values.values[row])),
                reward: (isLast ? text.reward : 0) - held, next: [], nextValue: isLast ? 0 : Double(recording.values.values[row + 1]),
                isTerminal: isLast, isLast: isLast)
        }
    }

    private func rows(_ slot: Int, _ count: Int) -> Range<Int> { slot * maximumTokens..<slot * maximumTokens + count }

    private func set(_ slot: Int, _ text: Transition, in language: MomentLanguage<Float>) {
        guard let written = text.decision.text else { return language.clear(row: slot) }
        language.set(written.moment, written: written.tokens, row: slot, rows: rows(slot, written.tokens.count))
    }

    /// Runs the epochs of a round and returns the mean loss.
    private func learn(_ texts: [Transition], _ steps: [[Transition]]) -> Double {
        let targets = steps.map { Advantages(of: $0, discount: configuration.discount, lambda: configuration.lambda) }
        var moments = RunningMoments()
        for target in targets { for advantage in target.advantages { moments.add(advantage) } }
        var order = Array(steps.indices), sum = 0.0, taken = 0
        epochs: for _ in 0..<configuration.epochs {
            random.shuffle(&order)
            for start in stride(from: 0, to: order.count, by: configuration.minibatch) {
                loss.weights.fill(0)
                for (slot, index) in order[start..<start + configuration.minibatch].enumerated() {
                    set(slot, texts[index], in: recording.language)
                    set(slot, steps[index], targets[index], moments, texts[index].decision.text?.logProbabilities ?? [])
                }
                graph.forward()
                if configuration.roundDivergence > 0, loss.divergence > configuration.roundDivergence { break epochs }
                sum += finite(Double(loss.total.value))
                taken += 1
                graph.backward(from: loss.total)
                optimizer.step()
            }
        }
        return sum / Double(max(1, taken))
    }

    /// - Parameter written: ln of each token's probability when it was drawn.
    private func set(_ slot: Int, _ steps: [Transition], _ targets: Advantages, _ moments: RunningMoments, _ written: [Float]) {
        for (row, (index, step)) in zip(rows(slot, steps.count), steps.enumerated()) {
            distribution.take(step.decision, row: row)
            loss.oldLogProbabilities.values[row] = Float(step.decision.logProbability)
            loss.advantages.values[row] = Float((targets.advantages[index] - moments.mean) / (moments.standardDeviation + 1e-8))
            loss.returns.values[row] = Float(targets.returns[index])
            loss.oldValues.values[row] = Float(step.decision.value)
            loss.weights.values[row] = min(1, Float.exp(Float(step.decision.logProbability) - written[index]))
        }
    }

    /// β ← β (1 + adaptation · clip(KL / target − 1, ±0.2))
    private func adapt(to divergence: Double) {
        guard divergence.isFinite else { return }
        let error = min(0.2, max(-0.2, divergence / configuration.targetDivergence - 1))
        penalty = min(Self.greatestPenalty, max(0, penalty * (1 + configuration.adaptation * error)))
    }
}
