import Model
import Statistics
import Tensors

/// Applies trigger rules to a learner: evaluates them on signals, does their actions, and logs both in the ledger.
///
///     let outcome = try learner.learn(moment)
///     rules.observe(outcome, of: moment, learner, at: now)
///
/// Costs are in optimiser steps, so that a repeated run is identical.
public struct TriggeredLearning {
    /// The rules with the state of their detectors, and the ledger.
    public private(set) var triggers: Triggers
    /// The last labelled moments: an action's effect is measured by the learner's mean loss on them before and after.
    private var probe: [MomentInput] = []
    private var shifts: [String: ModalityShift] = [:]
    private var goodMoments = 0
    private let scorer: MomentScorer
    /// Scores the frozen baseline, which never learns; nil if no rule needs it.
    private let frozen: MomentScorer?
    /// Weights to roll back to if there is no gate: those of one and of two intervals ago.
    private var past: [ParameterStore<Float>] = []
    private static let probeSize = 32
    private static let interval = 200

    /// - Parameters:
    ///   - rules: the trigger rules.
    ///   - model: the learner's model.
    ///   - frozen: the learner's initial weights.
    ///   - seed: of the shift signals.
    ///   - lists: the learner's strategies, optimisers, replay policies and detectors, by name.
    /// - Throws: `SettingsError`, if a rule is invalid.
    public init(
        _ rules: [TriggerRule], _ model: MultimodalModel, frozen: ParameterStore<Float>, seed: UInt64,
        lists: LearningLists = LearningLists()
    ) throws(SettingsError) {
        triggers = try Triggers(rules, lists: lists)
        scorer = MomentScorer(model, parameters: ParameterStore(frozen.layout), rows: 16)
        self.frozen = rules.contains { $0.signal == "loss_over_frozen" } ? MomentScorer(model, parameters: frozen.copy(), rows: 1) : nil
        for modality in model.configuration.modalities where rules.contains(where: { $0.signal == "shift.\(modality)" }) {
            shifts[modality] = ModalityShift(modality, random: RandomSource(seed: seed))
        }
    }

    /// The log of evaluations and actions.
    public var ledger: TriggerLedger {
        get { triggers.ledger }
        set { triggers.ledger = newValue }
    }

    private var isIdle: Bool { triggers.rules.isEmpty }

    /// Forgets the moments by which effects are measured: later ones take their place.
    public mutating func forgetMoments() { probe.removeAll() }

    /// Evaluates the rules after a moment was learned, and does their actions.
    ///
    /// - Parameters:
    ///   - outcome: the result of learning the moment; nil if it was not learned.
    ///   - moment: the moment.
    ///   - learner: the learner that the rules act on.
    ///   - signals: signals measured by others: `anchor_loss`, `join_rate`, …
    ///   - good: the weights to roll back to; nil: the learner's weights of an interval ago.
    ///   - now: nanoseconds of the caller's clock.
    /// - Returns: whether the learner was rolled back.
    @discardableResult
    public mutating func observe(
        _ outcome: LearnOutcome?, of moment: MomentInput, _ learner: OnlineLearner, signals: [(String, Double)] = [],
        good: ParameterStore<Float>? = nil,
        at now: Int64
    ) -> Bool {
        if let reverted = outcome?.reverted { ledger.append("switch", .nothing, reverted, at: now) }
        guard !isIdle else { return false }
        if moment.label != nil {
            probe.append(moment)
            if probe.count > Self.probeSize { probe.removeFirst() }
        }
        keepPast(learner)
        var wasRolledBack = false
        for (signal, value) in measured(outcome, moment) + signals {
            for firing in triggers.observe(signal, value, at: now) {
                wasRolledBack = act(firing, moment, learner, good) || wasRolledBack
            }
        }
        return wasRolledBack
    }

    private mutating func measured(_ outcome: LearnOutcome?, _ moment: MomentInput) -> [(String, Double)] {
        var signals: [(String, Double)] = []
        if let loss = outcome?.newLoss {
            signals.append(("loss", loss))
            if let frozen = frozen?.score(moment) { signals.append(("loss_over_frozen", loss - frozen.loss)) }
        }
        if let isRight = outcome?.isRight { signals.append(("error", isRight ? 0 : 1)) }
        for modality in shifts.keys.sorted() {
            if let shift = shifts[modality]?.add(moment) { signals.append(("shift.\(modality)", shift)) }
        }
        return signals
    }

    private mutating func keepPast(_ learner: OnlineLearner) {
        guard triggers.rules.contains(where: { $0.action == .rollBack }) else { return }
        if goodMoments % Self.interval == 0 { past = [past.last ?? learner.parameters.copy(), learner.parameters.copy()] }
        goodMoments += 1
    }

    private mutating func act(_ firing: Triggers.Firing, _ moment: MomentInput, _ learner: OnlineLearner, _ good: ParameterStore<Float>?)
        -> Bool
    {
        let rule = firing.rule, stepsBefore = learner.steps
        let before = rule.action == .nothing ? nil : probeLoss(learner)
        var note: String?
        var isRolledBack = false
        do {
            switch rule.action {
            case .nothing: note = "reported only"
            case .step:
                for _ in 0..<max(1, Int(clamping: rule.amount)) { learner.stepAgain(with: moment) }
                note = "\(learner.steps - stepsBefore) steps with the moment"
            case .replayBurst:
                for _ in 0..<max(1, Int(clamping: rule.amount)) where !learner.rehearse() { break }
                note = "\(learner.steps - stepsBefore) steps of replay"
            case .raiseRate, .lowerRate:
                learner.scaleRate(by: rule.action == .raiseRate ? rule.amount : 1 / rule.amount)
                note = "rate at \(learner.optimizer.rateScale) of its rule's"
            case .switchStrategy:
                try learner.switchStrategy(to: rule.target)
                note = "learns by \(rule.target), on trial"
            case .switchOptimizer:
                try learner.switchOptimizer(to: rule.target)
                note = "steps by \(rule.target), on trial"
            case .rollBack:
                guard let weights = good ?? past.first else { break }
                learner.rollBack(to: weights)
                isRolledBack = true
                note = "the weights of \(good == nil ? "an interval ago" : "the last good version") are back"
            }
        } catch {
            note = "\(error)"
        }
        let after = rule.action == .nothing ? nil : probeLoss(learner)
        triggers.settle(firing, cost: Double(learner.steps - stepsBefore), before: before, after: after, note: note)
        return isRolledBack
    }

    private func probeLoss(_ learner: OnlineLearner) -> Double? {
        scorer.parameters.assign(from: learner.parameters)
        let losses = scorer.score(probe).compactMap { $0?.loss }
        let mean = losses.reduce(0, +) / Double(max(1, losses.count))
        return losses.isEmpty || !mean.isFinite ? nil : mean
    }
}

extension TriggeredLearning {
    /// The state of the rules without large arrays.
    public struct State: Codable, Sendable {
        var triggers: Triggers
        var probe: [PackedMoment]
        var shifts: [String: ModalityShift]
        var goodMoments, pasts: Int
    }

    /// The state, and its large arrays by name.
    public var state: (progress: State, tensors: [String: [Float]]) {
        var numbers: [Float] = []
        let packed = probe.map { PackedMoment(RememberedMoment(moment: $0, logits: []), to: &numbers) }
        return (
            State(triggers: triggers, probe: packed, shifts: shifts, goodMoments: goodMoments, pasts: past.count),
            ["probe": numbers, "past": past.flatMap { Array($0.values) }]
        )
    }

    /// Restores a state. If the rules differ from those it was saved with, only the ledger is restored.
    public mutating func restore(_ state: State, _ tensors: [String: [Float]]) {
        guard state.triggers.rules == triggers.rules else { return ledger = state.triggers.ledger }
        var rest = (tensors["probe"] ?? [])[...]
        triggers = state.triggers
        probe = state.probe.compactMap { $0.unpacked(from: &rest)?.moment }.filter(scorer.accepts)
        shifts = state.shifts
        goodMoments = state.goodMoments
        let layout = scorer.parameters.layout, numbers = tensors["past"] ?? []
        guard (0...2).contains(state.pasts), numbers.count == state.pasts * layout.count else { return }
        past = (0..<state.pasts).map { index in
            let store = ParameterStore<Float>(layout)
            _ = store.values.update(from: numbers[index * layout.count..<(index + 1) * layout.count])
            return store
        }
    }
}
