import Model
import Statistics
import Tensors

/// Learns a multimodal model from one moment after another: each new moment and some remembered ones make one step, by a strategy and an optimiser
/// chosen by name, which may be exchanged between two steps.
///
///     let learner = try OnlineLearner(model, configuration, seed: 7)
///     let outcome = try learner.learn(moment)
///     publish(learner.servingParameters)
///
/// The same seed and the same moments in the same order give the same parameters, to the bit. A learner has one owner.
public final class OnlineLearner {
    public let model: MultimodalModel
    /// As it began; what it learns by now is `method`.
    public let configuration: Configuration
    /// How it learns now: what the configuration says until somebody switches.
    public internal(set) var method: Method
    public internal(set) var strategy: MomentStrategy
    public let parameters: ParameterStore<Float>
    public internal(set) var optimizer: Optimizer
    var graph: StrategyGraph
    var memory: ReplayBuffer<RememberedMoment>
    var random: RandomSource
    var elastic: ElasticConsolidation?
    /// What the last consolidated weights say; nil before the first consolidation, or where the strategy does not ask.
    var teacher: MomentJudge?
    var interference: InterferenceSearch?
    let average: WeightAverage?
    var trial: SwitchTrial?
    /// The smoothed loss of new moments, which a switch is measured by.
    var recentLoss = 0.0
    /// Moments with a label that it is the mean of.
    var labelled = 0
    let team: Team
    /// Moments learned from.
    public internal(set) var moments = 0
    /// Steps taken, those of triggers included: what learning cost.
    public internal(set) var steps = 0

    /// Starts from the seed's parameters.
    public convenience init(
        _ model: MultimodalModel, _ configuration: Configuration = Configuration(), seed: UInt64, team: Team = .solo
    ) throws(SettingsError) {
        var random = RandomSource(seed: seed)
        let parameters = model.initialStore(using: &random)
        try self.init(model, configuration, parameters: parameters, random: random, team: team)
    }

    /// Starts from given parameters, which the learner changes from then on.
    public init(
        _ model: MultimodalModel, _ configuration: Configuration = Configuration(), parameters: ParameterStore<Float>,
        random: RandomSource, team: Team = .solo
    ) throws(SettingsError) {
        try configuration.validate()
        self.model = model
        self.configuration = configuration
        self.parameters = parameters
        self.random = random
        self.team = team
        method = Method(configuration)
        strategy = try method.momentStrategy
        graph = StrategyGraph(
            model, parameters: parameters, strategy, trunk: try configuration.trunkScope, batch: configuration.rows,
            languageRows: configuration.wordRows, team: team)
        optimizer = Optimizer(try method.rule, parameters: parameters, gradients: graph.moments.gradients, team: team)
        average = configuration.averaging > 0 ? try WeightAverage(of: parameters, decay: configuration.averaging) : nil
        memory = try ReplayBuffer(
            policy: configuration.replay, settings: configuration.replaySettings, capacity: configuration.memory,
            byteCapacity: configuration.memoryBytes, random: self.random.split())
        equip()
    }

    /// What others shall answer with: the averaged weights where weights are averaged, else those that are learned.
    public var servingParameters: ParameterStore<Float> { average?.average ?? parameters }

    /// Learns from a moment, together with remembered ones, and remembers it. A moment with neither label nor text teaches nothing.
    /// - Parameter source: who sent it, so that what it sent can be forgotten.
    @discardableResult
    public func learn(_ moment: MomentInput, source: String = "") throws(MomentProblem) -> LearnOutcome? {
        try model.configuration.check(moment)
        guard moment.label != nil || !moment.text.isEmpty else { return nil }
        var outcome = soundStep(with: moment, moves: strategy.updates)
        for _ in 1..<(strategy.updates ? configuration.stepsPerMoment : 1) {
            let (loss, isRight, logits) = (outcome.newLoss, outcome.isRight, outcome.logits)
            outcome = soundStep(with: moment, moves: true)
            (outcome.newLoss, outcome.isRight, outcome.logits) = (loss, isRight, logits)
        }
        remember(moment, source: source, outcome)
        moments += 1
        if moments % configuration.consolidateEvery == 0 { consolidate() }
        outcome.reverted = judgeSwitch(by: outcome)
        if let loss = outcome.newLoss, loss.isFinite {
            labelled += 1
            recentLoss += (loss - recentLoss) / min(100, Double(labelled))
        }
        return outcome
    }

    /// One step from remembered moments alone. False where nothing is remembered, or a gradient was not finite.
    @discardableResult
    public func rehearse() -> Bool {
        let recalled = memory.draw(configuration.rows)
        guard !recalled.isEmpty else { return false }
        graph.distilled?.clear()
        put(recalled, from: 0)
        let isStepped = move(recalled, from: 0).stepped
        if !isStepped { forgetWhatSpoils(recalled) }
        return isStepped
    }

    /// One more step with a moment that was learned before.
    func stepAgain(with moment: MomentInput) { _ = soundStep(with: moment, moves: true) }

    /// A domain has ended, or all is well: what some strategies hold on to from here on is the weights as they are.
    public func consolidate() {
        elastic?.consolidate(parameters)
        if strategy.distillWeight > 0 { teacher = MomentJudge(model, parameters: parameters.copy(), rows: 1, team: team) }
    }

    /// One step; where it is not finite, another without what was recalled, and where that is to blame, it is forgotten.
    private func soundStep(with moment: MomentInput, moves: Bool) -> LearnOutcome {
        let (outcome, recalled) = step(with: moment, moves: moves)
        guard !outcome.stepped, !recalled.isEmpty else { return outcome }
        let alone = step(with: moment, moves: moves, recalls: false).outcome
        if alone.stepped { forgetWhatSpoils(recalled) }
        return alone
    }

    /// Forgets those that leave no finite gradient by themselves; all, where none does so alone.
    private func forgetWhatSpoils(_ recalled: [ReplayBuffer<RememberedMoment>.Drawn]) {
        let spoiling = recalled.filter { drawn in
            put([], from: 0)
            graph.distilled?.clear()
            graph.moments.set(drawn.item.moment, row: 0)
            graph.moments.forward()
            graph.backward()
            return !graph.moments.gradients.values.allSatisfy { abs($0) <= Self.largestGradient }
        }
        let serials = Set((spoiling.isEmpty ? recalled : spoiling).map(\.serial))
        _ = memory.removeAll { serials.contains($0.serial) }
    }

    /// A single number beyond it leaves nothing of the others in a step.
    private static let largestGradient: Float = 1e12

    /// - Parameters:
    ///   - moves: whether the weights are changed, or the moment is only judged.
    ///   - recalls: whether remembered moments join the step, where the strategy has them do so.
    private func step(
        with moment: MomentInput, moves: Bool, recalls: Bool = true
    ) -> (outcome: LearnOutcome, recalled: [ReplayBuffer<RememberedMoment>.Drawn]) {
        let recalled = moves && recalls && strategy.replays ? recall(for: moment) : []
        put(moment, row: 0)
        put(recalled, from: 1)
        if let distilled = graph.distilled {
            distilled.clear()
            if let teacher { distilled.set(0, teacher.logits(of: moment)) }
        }
        let step = move(recalled, from: 1, moves: moves)
        let outcome = LearnOutcome(
            losses: graph.moments.losses, stepped: step.stepped || !moves, gradientNorm: step.gradientNorm, learningRate: step.learningRate,
            rows: 1 + recalled.count, newLoss: moment.label == nil ? nil : graph.moments.classificationLoss(row: 0),
            isRight: moment.label.map { $0 == graph.likeliest(row: 0) }, logits: graph.logits(row: 0))
        return (outcome, recalled)
    }

    private func recall(for moment: MomentInput) -> [ReplayBuffer<RememberedMoment>.Drawn] {
        guard let interference, memory.count > configuration.replayed else { return memory.draw(configuration.replayed) }
        put(moment, row: 0)
        put([], from: 1)
        graph.clearHeld()
        graph.moments.forward()
        graph.moments.backward()
        return interference.mostHarmed(
            configuration.replayed, of: memory.draw(strategy.candidates * configuration.replayed), moment: { $0.moment },
            by: graph.moments.gradients, rate: strategy.candidateRate)
    }

    private func put(_ recalled: [ReplayBuffer<RememberedMoment>.Drawn], from first: Int) {
        graph.matched?.clear()
        for (place, drawn) in recalled.enumerated() {
            put(drawn.item.moment, row: first + place)
            if let matched = graph.matched, !drawn.item.logits.isEmpty { matched.set(first + place, drawn.item.logits) }
        }
        for row in first + recalled.count..<graph.moments.batch { graph.moments.clear(row: row) }
    }

    private func move(_ recalled: [ReplayBuffer<RememberedMoment>.Drawn], from first: Int, moves: Bool = true) -> Optimizer.Outcome {
        graph.moments.forward()
        guard moves else { return .init(stepped: false, gradientNorm: 0, learningRate: 0) }
        graph.backward()
        elastic?.gather(graph.moments.gradients)
        elastic?.addPenalty(of: parameters, to: graph.moments.gradients)
        let step = optimizer.step()
        if step.stepped {
            steps += 1
            average?.update(from: parameters)
        }
        for (row, drawn) in recalled.enumerated() {
            memory.setPriority(graph.moments.classificationLoss(row: first + row), of: drawn.serial)
        }
        return step
    }

    private func remember(_ moment: MomentInput, source: String, _ outcome: LearnOutcome) {
        // A moment that leaves no finite numbers would spoil every step that it is recalled for.
        guard outcome.stepped, outcome.logits.allSatisfy(\.isFinite), outcome.newLoss?.isFinite ?? true else { return }
        let logits = strategy.matchWeight > 0 ? outcome.logits : []
        memory.add(
            RememberedMoment(moment: moment, logits: logits), source: source, label: moment.label, bytes: moment.bytes + 4 * logits.count,
            priority: outcome.losses.total)
    }

    /// Some modalities hidden, so that the model learns to do without; readings turned a little in time.
    private func put(_ moment: MomentInput, row: Int) {
        let present = model.configuration.modalities.filter { moment.has($0) }
        var hidden = present.filter { _ in random.uniform() < configuration.modalityDropout }
        if hidden.count == present.count { hidden = [] }
        let turns = model.configuration.senses.map { sense in
            sense.jitter == 0 ? 0 : random.uniform(below: 2 * sense.jitter + 1) - sense.jitter
        }
        graph.moments.set(moment, row: row, hiding: Set(hidden), turns: turns)
    }
}

/// What learning from one moment did.
public struct LearnOutcome: Sendable, Equatable {
    /// Before the step.
    public var losses: MultimodalLosses
    /// False where a gradient was not finite, and nothing was changed.
    public var stepped: Bool
    public var gradientNorm: Double
    public var learningRate: Double
    /// Moments in the step, the new one and the recalled.
    public var rows: Int
    /// Of the new moment's label, in nats, before it was learned; nil without a label.
    public var newLoss: Double?
    /// Whether the new moment's label was the likeliest class, before it was learned.
    public var isRight: Bool?
    /// What the new moment's logits were.
    public var logits: [Float] = []
    /// Why a switch was taken back just now.
    public var reverted: String?
}
