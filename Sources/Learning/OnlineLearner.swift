import Model
import Privacy
import Statistics
import Tensors

/// Learns a multimodal model online: each new moment makes one step, together with some remembered moments, by a strategy and an
/// optimiser that are chosen by name and can be changed between two steps.
///
///     let learner = try OnlineLearner(model, configuration, seed: 7)
///     let outcome = try learner.learn(moment)
///     publish(learner.servingParameters)
///
/// The same seed and the same moments in the same order give the same parameters, to the bit. A learner has one owner.
public final class OnlineLearner {
    /// The model that learns.
    public let model: MultimodalModel
    /// The initial configuration.
    public let configuration: Configuration
    /// The current strategy and optimiser: the configuration's, until they are switched.
    public internal(set) var method: Method
    /// The current strategies.
    public internal(set) var strategy: StrategyMix
    /// The model's parameters.
    public let parameters: ParameterStore<Float>
    /// The current optimiser.
    public internal(set) var optimizer: Optimizer
    var graph: StrategyGraph
    var memory: ReplayBuffer<RememberedMoment>
    var random: RandomSource
    let average: WeightAverage?
    /// What learns with differential privacy; nil where nothing does.
    let privacy: PrivateSteps?
    var trial: SwitchTrial?
    /// The smoothed loss of new moments, to which a switch is compared.
    var recentLoss = 0.0
    /// The number of labelled moments in `recentLoss`.
    var labelled = 0
    let lists: LearningLists
    let team: Team
    /// A teacher's logits of the moment that is learned; empty without a teacher.
    private var taught: [Float] = []
    /// The sender of the moment that is learned.
    private var source = ""
    /// Are called with every step that moves the parameters.
    public var observers: [any StepObserver] = []
    /// By row of the step, what augmentation hid and shifted; only for observers.
    private var augmentations: [Int: (hidden: Set<String>, shifts: [Int])] = [:]
    /// Whose moment was learned newest, with its serial number, newest last: for observers of further steps from one.
    private var recent: [(moment: MomentInput, source: String, serial: Int)] = []
    /// Whether the step is a further one from a moment that was learned before.
    private var isRepeated = false
    private static let mostRecent = 64
    /// The number of moments learned.
    public internal(set) var moments = 0
    /// The number of optimiser steps, including those of triggers.
    public internal(set) var steps = 0

    /// Starts from random parameters.
    ///
    /// - Parameters:
    ///   - model: the model to train.
    ///   - configuration: how it learns.
    ///   - seed: of the initial parameters and of learning.
    ///   - lists: the strategies, optimisers and replay policies, by name.
    ///   - privacy: whether, and how, it learns with differential privacy. Noise and draws are then of no seed.
    ///   - team: the threads that compute.
    /// - Throws: `SettingsError`, if a setting is invalid.
    public convenience init(
        _ model: MultimodalModel, _ configuration: Configuration = Configuration(), seed: UInt64, lists: LearningLists = LearningLists(),
        privacy: PrivacySettings = PrivacySettings(), team: Team = .solo
    ) throws(SettingsError) {
        var random = RandomSource(seed: seed)
        let parameters = model.initialStore(using: &random)
        try self.init(model, configuration, parameters: parameters, random: random, lists: lists, privacy: privacy, team: team)
    }

    /// Starts from given parameters, which the learner changes.
    ///
    /// - Parameters:
    ///   - model: the model to train.
    ///   - configuration: how it learns.
    ///   - parameters: the initial parameters.
    ///   - random: the source of random numbers.
    ///   - lists: the strategies, optimisers and replay policies, by name.
    ///   - privacy: whether, and how, it learns with differential privacy. Noise and draws are then of no seed.
    ///   - team: the threads that compute.
    /// - Throws: `SettingsError`, if a setting is invalid.
    public init(
        _ model: MultimodalModel, _ configuration: Configuration = Configuration(), parameters: ParameterStore<Float>,
        random: RandomSource, lists: LearningLists = LearningLists(), privacy: PrivacySettings = PrivacySettings(), team: Team = .solo
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
        let isPrivate = privacy.learning.enabled
        if isPrivate { try Self.requirePlain(strategy) }
        let rows = isPrivate ? 1 : configuration.rows
        graph = StrategyGraph(
            model, parameters: parameters, strategy, trunk: try configuration.trunkScope, rows: rows,
            languageRows: min(rows, configuration.wordRows), team: team)
        self.privacy = isPrivate ? PrivateSteps(privacy, graph.moments, bytes: configuration.memoryBytes) : nil
        optimizer = Optimizer(try method.rule(from: lists), parameters: parameters, gradients: graph.moments.gradients, team: team)
        average = configuration.averaging > 0 ? try WeightAverage(of: parameters, decay: configuration.averaging) : nil
        memory = try ReplayBuffer(
            policy: configuration.replay, settings: configuration.replaySettings, from: lists.replayPolicies,
            capacity: configuration.memory, byteCapacity: configuration.memoryBytes, random: self.random.split())
    }

    /// The weights to publish: the averaged weights if they are averaged, else the learned ones.
    public var servingParameters: ParameterStore<Float> { average?.average ?? parameters }

    /// Learns from a moment, together with remembered ones, and remembers it.
    ///
    /// - Parameters:
    ///   - moment: the moment.
    ///   - source: its sender, so that all moments of a sender can be forgotten.
    ///   - corrects: whether a moment with a right answer is learned by further steps until the answer is likely.
    ///   - teacher: the class logits of another model, which a strategy that follows a teacher learns and remembers; empty without one.
    ///   - reading: reads what was predicted of the moment, row 0, before it was learned.
    /// - Returns: the result; nil for a moment with neither label nor text, from which nothing can be learned.
    /// - Throws: `MomentProblem`, if the model cannot process the moment.
    @discardableResult
    public func learn(
        _ moment: MomentInput, source: String = "", corrects: Bool = true, teacher: [Float] = [],
        reading: (MultimodalGraph<Float>) -> Void = { _ in }
    ) throws(MomentProblem) -> LearnOutcome? {
        if let privacy { return try learn(moment, source: source, by: privacy, reading: reading) }
        try model.configuration.check(moment)
        guard moment.isInstructive else { return nil }
        let isTaught = teacher.count == model.configuration.classes && teacher.allSatisfy(\.isFinite)
        (taught, self.source) = (isTaught ? teacher : [], source)
        defer { (taught, self.source) = ([], "") }
        var outcome = finiteStep(with: moment, moves: strategy.updates)
        if outcome.stepped { reading(graph.moments) }
        for _ in 1..<(strategy.updates ? configuration.stepsPerMoment : 1) {
            let (loss, isRight, logits) = (outcome.newLoss, outcome.isRight, outcome.logits)
            outcome = finiteStep(with: moment, moves: true)
            (outcome.newLoss, outcome.isRight, outcome.logits) = (loss, isRight, logits)
        }
        if corrects, moment.answer != nil {
            for _ in 0..<configuration.correctionSteps where !correct(by: moment) { break }
        }
        remember(moment, source: source, outcome)
        if strategy.updates, let label = moment.label { graph.strategies.finish([label]) }
        moments += 1
        if moments % configuration.consolidateEvery == 0 { consolidate() }
        outcome.reverted = evaluateTrial(by: outcome)
        if let loss = outcome.newLoss, loss.isFinite {
            labelled += 1
            recentLoss += (loss - recentLoss) / min(100, Double(labelled))
        }
        return outcome
    }

    /// Remembers a moment, to be replayed, without a step of its own: for streams that are faster than learning.
    /// - Returns: false for a moment with neither label nor text, from which nothing can be learned.
    /// - Throws: `MomentProblem`, if the model cannot process the moment.
    public func remember(_ moment: MomentInput, source: String = "") throws(MomentProblem) -> Bool {
        if let privacy {
            let isUsable = moment.isInstructive && (try? model.configuration.check(moment)) != nil
            privacy.add(isUsable ? moment : nil, source: source)
            return isUsable
        }
        try model.configuration.check(moment)
        guard moment.isInstructive, !strategy.storesLogits else { return false }  // a strategy that replays logits has to compute them
        memory.add(
            RememberedMoment(moment: moment, logits: []), source: source, label: moment.label, bytes: moment.bytes, priority: recentLoss)
        return true
    }

    /// Makes a further step from a corrected moment, with earlier ones beside it whose answers are not to be forgotten.
    /// - Returns: whether the answer is not yet likely enough and a further step may help.
    @discardableResult
    public func correct(by moment: MomentInput) -> Bool {
        guard strategy.updates, privacy == nil else { return false }
        isRepeated = true
        defer { isRepeated = false }
        let earlier = memory.draw(configuration.wordRows - 1) { $0.moment.answer != nil && $0.moment != moment }
        var outcome = step(with: moment, moves: true, recalling: earlier).outcome
        if !outcome.stepped, !earlier.isEmpty { outcome = step(with: moment, moves: true, recalling: []).outcome }
        return outcome.stepped && outcome.losses.language >= configuration.correctionLoss
    }

    /// Makes one step from remembered moments only.
    /// - Returns: false if nothing is remembered, or a gradient was not finite.
    @discardableResult
    public func rehearse() -> Bool {
        guard privacy == nil else { return false }
        let recalled = memory.draw(configuration.rows)
        guard !recalled.isEmpty else { return false }
        put(recalled, from: 0)
        prepare(new: nil, recalled)
        announce(nil, recalled)
        let isStepped = move(recalled, from: 0).stepped
        if !isStepped { forgetNonFinite(recalled) }
        return isStepped
    }

    /// Makes one more step with a moment that was learned before.
    func stepAgain(with moment: MomentInput) {
        isRepeated = true
        defer { isRepeated = false }
        if privacy == nil { _ = finiteStep(with: moment, moves: true) }
    }

    /// Ends a domain: some strategies from now on retain the current weights.
    public func consolidate() { graph.strategies.consolidate() }

    /// Makes one step. If it is not finite, tries again without replayed moments, and forgets those if they were the cause.
    private func finiteStep(with moment: MomentInput, moves: Bool) -> LearnOutcome {
        let (outcome, recalled) = step(with: moment, moves: moves)
        guard !outcome.stepped, !recalled.isEmpty else { return outcome }
        let alone = step(with: moment, moves: moves, recalling: []).outcome
        if alone.stepped { forgetNonFinite(recalled) }
        return alone
    }

    /// Forgets the moments whose gradient is not finite or too large on its own; all, if there is none.
    private func forgetNonFinite(_ recalled: [Drawn]) {
        let faulty = recalled.filter { drawn in
            put([], from: 0)
            graph.strategies.clear()
            graph.moments.set(drawn.item.moment, row: 0)
            graph.moments.forward()
            graph.backward()
            return !graph.moments.gradients.values.allSatisfy { abs($0) <= Self.largestGradient }
        }
        let serials = Set((faulty.isEmpty ? recalled : faulty).map(\.serial))
        _ = memory.removeAll { serials.contains($0.serial) }
    }

    private typealias Drawn = ReplayBuffer<RememberedMoment>.Drawn

    /// A single larger gradient would outweigh all others in a step.
    private static let largestGradient: Float = 1e12

    /// - Parameters:
    ///   - moves: whether the weights are changed, or the moment is only evaluated.
    ///   - chosen: the remembered moments that are replayed; nil for those that the strategy chooses.
    private func step(
        with moment: MomentInput, moves: Bool, recalling chosen: [Drawn]? = nil
    ) -> (outcome: LearnOutcome, recalled: [Drawn]) {
        let isReplaying = moves && chosen == nil && strategy.replays
        let recalled = isReplaying ? recall(for: moment) : chosen ?? [],
            additional = isReplaying ? memory.draw(strategy.additionalRows) : []
        put(moment, row: 0)
        put(recalled, from: 1, additional: additional)
        prepare(new: moment, recalled, additional: additional)
        if moves { announce(moment, recalled) }
        let step = move(recalled, from: 1, moves: moves)
        let outcome = LearnOutcome(
            losses: graph.moments.losses, stepped: step.stepped || !moves, gradientNorm: step.gradientNorm, learningRate: step.learningRate,
            rows: 1 + recalled.count, newLoss: moment.label == nil ? nil : graph.moments.classificationLoss(row: 0),
            isRight: moment.label.map { $0 == graph.mostLikely(row: 0) }, logits: graph.logits(row: 0))
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

    /// - Parameter additional: moments for the rows after the replayed ones, without labels.
    private func put(_ recalled: [Drawn], from first: Int, additional: [Drawn] = []) {
        for (place, drawn) in recalled.enumerated() { put(drawn.item.moment, row: first + place) }
        for (place, drawn) in additional.enumerated() {
            var moment = drawn.item.moment
            moment.label = nil
            put(moment, row: graph.rows + place)
        }
        for row in first + recalled.count..<graph.rows { graph.moments.clear(row: row) }
        for row in graph.rows + additional.count..<graph.moments.batch { graph.moments.clear(row: row) }
    }

    /// Describes the rows of the step to the strategies.
    private func prepare(new moment: MomentInput?, _ recalled: [Drawn], additional: [Drawn] = []) {
        guard !graph.strategies.isEmpty else { return }
        func rows(_ drawn: [Drawn], from first: Int) -> [StrategyStep.Row] {
            drawn.enumerated().map { .init(place: first + $0, label: $1.item.moment.label, logits: $1.item.logits) }
        }
        var step = StrategyStep()
        if let moment { step.new = [.init(place: 0, label: moment.label, logits: taught)] }
        step.recalled = rows(recalled, from: step.new.count)
        step.additional = rows(additional, from: graph.rows)
        graph.strategies.prepare(step, new: moment.map { [$0] } ?? [])
    }

    /// Tells the observers which rows a step has.
    private func announce(_ moment: MomentInput?, _ recalled: [Drawn]) {
        guard !observers.isEmpty else { return }
        var rows: [StepRow] = []
        func add(_ moment: MomentInput, _ source: String, _ serial: Int, isNew: Bool) {
            let augmentation = augmentations[rows.count] ?? ([], [])
            rows.append(
                StepRow(
                    moment: moment, source: source, serial: serial, isNew: isNew, hidden: augmentation.hidden, shifts: augmentation.shifts))
        }
        if let moment {
            let known = isRepeated ? recent.last { $0.moment == moment } : nil
            add(moment, known?.source ?? source, known?.serial ?? momentsSeen, isNew: true)
        }
        for drawn in recalled { add(drawn.item.moment, drawn.source, drawn.serial, isNew: false) }
        for observer in observers { observer.willStep(rows) }
    }

    private func move(_ recalled: [Drawn], from first: Int, moves: Bool = true) -> Optimizer.Outcome {
        graph.moments.forward()
        guard moves else { return .init(stepped: false, gradientNorm: 0, learningRate: 0) }
        graph.backward()
        graph.strategies.correct(graph.moments.gradients)
        let step = optimizer.step()
        for observer in observers { observer.didStep(step.stepped) }
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
        // A moment without finite results would make every step that replays it non-finite.
        guard outcome.stepped, outcome.logits.allSatisfy(\.isFinite), outcome.newLoss?.isFinite ?? true else { return }
        if !observers.isEmpty {
            recent.append((moment, source, momentsSeen))
            if recent.count > Self.mostRecent { recent.removeFirst() }
        }
        let logits = strategy.followsTeacher ? taught : strategy.storesLogits ? outcome.logits : []
        memory.add(
            RememberedMoment(moment: moment, logits: logits), source: source, label: moment.label, bytes: moment.bytes + 4 * logits.count,
            priority: outcome.losses.total)
    }

    /// Sets a row with augmentation: some modalities are hidden, so that the model learns to do without them, and readings are shifted.
    func put(_ moment: MomentInput, row: Int) {
        let present = model.configuration.modalities.filter { moment.has($0) }
        var hidden = present.filter { _ in random.uniform() < configuration.modalityDropout }
        if hidden.count == present.count { hidden = [] }
        let shifts = model.configuration.senses.map { sense in
            sense.jitter == 0 ? 0 : random.uniform(below: 2 * sense.jitter + 1) - sense.jitter
        }
        if !observers.isEmpty { augmentations[row] = (Set(hidden), shifts) }
        graph.moments.set(moment, row: row, hiding: Set(hidden), shifts: shifts)
    }
}

/// The result of learning from one moment.
public struct LearnOutcome: Sendable, Equatable {
    /// The losses of the step's rows before the step.
    public var losses: MultimodalLosses
    /// False if a gradient was not finite, so that nothing was changed.
    public var stepped: Bool
    /// The norm of all gradients before clipping.
    public var gradientNorm: Double
    /// The learning rate of the step.
    public var learningRate: Double
    /// The number of moments in the step, the new one and the replayed.
    public var rows: Int
    /// The cross entropy of the new moment's label, in nats, before it was learned; nil without a label.
    public var newLoss: Double?
    /// Whether the new moment's label was the most likely class, before it was learned; nil without a label.
    public var isRight: Bool?
    /// The class logits of the new moment, before it was learned.
    public var logits: [Float] = []
    /// Why a switch of the method was reverted at this moment; nil if none was.
    public var reverted: String?
}
