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
    public internal(set) var strategy: StrategyMix
    public let parameters: ParameterStore<Float>
    public internal(set) var optimizer: Optimizer
    var graph: StrategyGraph
    var memory: ReplayBuffer<RememberedMoment>
    var random: RandomSource
    let average: WeightAverage?
    var trial: SwitchTrial?
    /// The smoothed loss of new moments, which a switch is measured by.
    var recentLoss = 0.0
    /// Moments with a label that it is the mean of.
    var labelled = 0
    let lists: LearningLists
    let team: Team
    /// Moments learned from.
    public internal(set) var moments = 0
    /// Steps taken, those of triggers included: what learning cost.
    public internal(set) var steps = 0

    /// Starts from the seed's parameters.
    public convenience init(
        _ model: MultimodalModel, _ configuration: Configuration = Configuration(), seed: UInt64, lists: LearningLists = LearningLists(),
        team: Team = .solo
    ) throws(SettingsError) {
        var random = RandomSource(seed: seed)
        let parameters = model.initialStore(using: &random)
        try self.init(model, configuration, parameters: parameters, random: random, lists: lists, team: team)
    }

    /// Starts from given parameters, which the learner changes from then on.
    /// - Parameter lists: what the names of the configuration choose from.
    public init(
        _ model: MultimodalModel, _ configuration: Configuration = Configuration(), parameters: ParameterStore<Float>,
        random: RandomSource, lists: LearningLists = LearningLists(), team: Team = .solo
    ) throws(SettingsError) {
        try configuration.validate(with: lists)
        self.model = model
        self.configuration = configuration
        self.parameters = parameters
        self.random = random
        self.lists = lists
        self.team = team
        method = Method(configuration)
        strategy = try method.mix(from: lists)
        graph = StrategyGraph(
            model, parameters: parameters, strategy, trunk: try configuration.trunkScope, rows: configuration.rows,
            languageRows: configuration.wordRows, team: team)
        optimizer = Optimizer(try method.rule(from: lists), parameters: parameters, gradients: graph.moments.gradients, team: team)
        average = configuration.averaging > 0 ? try WeightAverage(of: parameters, decay: configuration.averaging) : nil
        memory = try ReplayBuffer(
            policy: configuration.replay, settings: configuration.replaySettings, from: lists.replayPolicies,
            capacity: configuration.memory, byteCapacity: configuration.memoryBytes, random: self.random.split())
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
        if strategy.updates, let label = moment.label { graph.strategies.finish([label]) }
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
        put(recalled, from: 0)
        prepare(new: nil, recalled)
        let isStepped = move(recalled, from: 0).stepped
        if !isStepped { forgetWhatSpoils(recalled) }
        return isStepped
    }

    /// One more step with a moment that was learned before.
    func stepAgain(with moment: MomentInput) { _ = soundStep(with: moment, moves: true) }

    /// A domain has ended, or all is well: what some strategies hold on to from here on is the weights as they are.
    public func consolidate() { graph.strategies.consolidate() }

    /// One step; where it is not finite, another without what was recalled, and where that is to blame, it is forgotten.
    private func soundStep(with moment: MomentInput, moves: Bool) -> LearnOutcome {
        let (outcome, recalled) = step(with: moment, moves: moves)
        guard !outcome.stepped, !recalled.isEmpty else { return outcome }
        let alone = step(with: moment, moves: moves, recalls: false).outcome
        if alone.stepped { forgetWhatSpoils(recalled) }
        return alone
    }

    /// Forgets those that leave no finite gradient by themselves; all, where none does so alone.
    private func forgetWhatSpoils(_ recalled: [Drawn]) {
        let spoiling = recalled.filter { drawn in
            put([], from: 0)
            graph.strategies.clear()
            graph.moments.set(drawn.item.moment, row: 0)
            graph.moments.forward()
            graph.backward()
            return !graph.moments.gradients.values.allSatisfy { abs($0) <= Self.largestGradient }
        }
        let serials = Set((spoiling.isEmpty ? recalled : spoiling).map(\.serial))
        _ = memory.removeAll { serials.contains($0.serial) }
    }

    private typealias Drawn = ReplayBuffer<RememberedMoment>.Drawn

    /// A single number beyond it leaves nothing of the others in a step.
    private static let largestGradient: Float = 1e12

    /// - Parameters:
    ///   - moves: whether the weights are changed, or the moment is only judged.
    ///   - recalls: whether remembered moments join the step, where the strategy has them do so.
    private func step(
        with moment: MomentInput, moves: Bool, recalls: Bool = true
    ) -> (outcome: LearnOutcome, recalled: [Drawn]) {
        let isReplaying = moves && recalls && strategy.replays
        let recalled = isReplaying ? recall(for: moment) : [], beside = isReplaying ? memory.draw(strategy.rowsBeside) : []
        put(moment, row: 0)
        put(recalled, from: 1, beside: beside)
        prepare(new: moment, recalled, beside: beside)
        let step = move(recalled, from: 1, moves: moves)
        let outcome = LearnOutcome(
            losses: graph.moments.losses, stepped: step.stepped || !moves, gradientNorm: step.gradientNorm, learningRate: step.learningRate,
            rows: 1 + recalled.count, newLoss: moment.label == nil ? nil : graph.moments.classificationLoss(row: 0),
            isRight: moment.label.map { $0 == graph.likeliest(row: 0) }, logits: graph.logits(row: 0))
        return (outcome, recalled)
    }

    private func recall(for moment: MomentInput) -> [Drawn] {
        graph.strategies.recall(configuration.replayed, from: &memory, reading: { $0.moment }) {
            put(moment, row: 0)
            put([], from: 1)
            graph.strategies.clear()
            graph.moments.forward()
            graph.moments.backward()
            return graph.moments.gradients
        }
    }

    /// - Parameter beside: in the rows behind, without labels.
    private func put(_ recalled: [Drawn], from first: Int, beside: [Drawn] = []) {
        for (place, drawn) in recalled.enumerated() { put(drawn.item.moment, row: first + place) }
        for (place, drawn) in beside.enumerated() {
            var moment = drawn.item.moment
            moment.label = nil
            put(moment, row: graph.rows + place)
        }
        for row in first + recalled.count..<graph.rows { graph.moments.clear(row: row) }
        for row in graph.rows + beside.count..<graph.moments.batch { graph.moments.clear(row: row) }
    }

    /// Tells the strategies what stands in which row.
    private func prepare(new moment: MomentInput?, _ recalled: [Drawn], beside: [Drawn] = []) {
        guard !graph.strategies.isEmpty else { return }
        func rows(_ drawn: [Drawn], from first: Int) -> [StrategyStep.Row] {
            drawn.enumerated().map { .init(place: first + $0, label: $1.item.moment.label, logits: $1.item.logits) }
        }
        var step = StrategyStep()
        if let moment { step.new = [.init(place: 0, label: moment.label, logits: [])] }
        step.recalled = rows(recalled, from: step.new.count)
        step.beside = rows(beside, from: graph.rows)
        graph.strategies.prepare(step, new: moment.map { [$0] } ?? [])
    }

    private func move(_ recalled: [Drawn], from first: Int, moves: Bool = true) -> Optimizer.Outcome {
        graph.moments.forward()
        guard moves else { return .init(stepped: false, gradientNorm: 0, learningRate: 0) }
        graph.backward()
        graph.strategies.correct(graph.moments.gradients)
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
        let logits = strategy.storesLogits ? outcome.logits : []
        memory.add(
            RememberedMoment(moment: moment, logits: logits), source: source, label: moment.label, bytes: moment.bytes + 4 * logits.count,
            priority: outcome.losses.total)
    }

    /// Some modalities hidden, so that the model learns to do without; readings turned a little in time.
    private func put(_ moment: MomentInput, row: Int) {
        let present = model.configuration.modalities.filter { moment.has($0) }
        var hidden = present.filter { _ in random.uniform() < configuration.modalityDropout }
        if hidden.count == present.count { hidden = [] }
        let shifts = model.configuration.senses.map { sense in
            sense.jitter == 0 ? 0 : random.uniform(below: 2 * sense.jitter + 1) - sense.jitter
        }
        graph.moments.set(moment, row: row, hiding: Set(hidden), shifts: shifts)
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
