import Model
import Statistics
import Tensors

/// Rules that watch a learner and act on it: signals in, actions done, every evaluation and what it changed in the ledger.
///
///     let outcome = try learner.learn(moment)
///     rules.observe(outcome, of: moment, learner, at: now)
///
/// Costs are optimiser steps, so that a run that is repeated spends its budgets alike.
public struct TriggeredLearning {
    public private(set) var triggers: Triggers
    /// The newest labelled moments: an action's effect is the learner's mean loss on them, before and after.
    private var probe: [MomentInput] = []
    private var shifts: [String: ModalityShift] = [:]
    private var goodMoments = 0
    private let judge: MomentJudge
    /// Judges the twin that never learns; nil where no rule asks.
    private let frozen: MomentJudge?
    /// Weights to roll back to where no gate keeps any: those of one and of two intervals ago.
    private var past: [ParameterStore<Float>] = []
    private static let probeSize = 32
    private static let interval = 200

    /// - Parameters:
    ///   - frozen: what the learner began with.
    ///   - lists: what the names of rules choose from; the learner's own.
    public init(
        _ rules: [TriggerRule], _ model: MultimodalModel, frozen: ParameterStore<Float>, seed: UInt64,
        lists: LearningLists = LearningLists()
    ) throws(SettingsError) {
        triggers = try Triggers(rules, lists: lists)
        judge = MomentJudge(model, parameters: ParameterStore(frozen.layout), rows: 16)
        self.frozen = rules.contains { $0.signal == "loss_over_frozen" } ? MomentJudge(model, parameters: frozen.copy(), rows: 1) : nil
        for modality in model.configuration.modalities where rules.contains(where: { $0.signal == "shift.\(modality)" }) {
            shifts[modality] = ModalityShift(modality, random: RandomSource(seed: seed))
        }
    }

    public var ledger: TriggerLedger {
        get { triggers.ledger }
        set { triggers.ledger = newValue }
    }

    private var isIdle: Bool { triggers.rules.isEmpty }

    /// Shows what learning a moment has told to the rules, and does what they want done.
    /// - Parameters:
    ///   - signals: what others measured: `anchor_loss`, `join_rate`, …
    ///   - good: what to roll back to; nil: what the learner was an interval ago.
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
        for (signal, value) in told(by: outcome, moment) + signals {
            for firing in triggers.observe(signal, value, at: now) {
                wasRolledBack = act(firing, moment, learner, good) || wasRolledBack
            }
        }
        return wasRolledBack
    }

    private mutating func told(by outcome: LearnOutcome?, _ moment: MomentInput) -> [(String, Double)] {
        var signals: [(String, Double)] = []
        if let loss = outcome?.newLoss {
            signals.append(("loss", loss))
            if let frozen = frozen?.judge(moment) { signals.append(("loss_over_frozen", loss - frozen.loss)) }
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
            case .nothing: note = "told"
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
        judge.parameters.assign(from: learner.parameters)
        let losses = judge.judge(probe).compactMap { $0?.loss }
        let mean = losses.reduce(0, +) / Double(max(1, losses.count))
        return losses.isEmpty || !mean.isFinite ? nil : mean
    }
}

extension TriggeredLearning {
    /// All that the rules remember; `tensors` holds what has many numbers.
    public struct State: Codable, Sendable {
        var triggers: Triggers
        var probe: [PackedMoment]
        var shifts: [String: ModalityShift]
        var goodMoments, pasts: Int
    }

    public var state: (progress: State, tensors: [String: [Float]]) {
        var numbers: [Float] = []
        let packed = probe.map { PackedMoment(RememberedMoment(moment: $0, logits: []), to: &numbers) }
        return (
            State(triggers: triggers, probe: packed, shifts: shifts, goodMoments: goodMoments, pasts: past.count),
            ["probe": numbers, "past": past.flatMap { Array($0.values) }]
        )
    }

    /// Goes on from a state. Where the rules are others than those that it was saved with, only the ledger goes on.
    public mutating func restore(_ state: State, _ tensors: [String: [Float]]) {
        guard state.triggers.rules == triggers.rules else { return ledger = state.triggers.ledger }
        var rest = (tensors["probe"] ?? [])[...]
        triggers = state.triggers
        probe = state.probe.compactMap { $0.unpacked(from: &rest)?.moment }.filter(judge.accepts)
        shifts = state.shifts
        goodMoments = state.goodMoments
        let layout = judge.parameters.layout, numbers = tensors["past"] ?? []
        guard (0...2).contains(state.pasts), numbers.count == state.pasts * layout.count else { return }
        past = (0..<state.pasts).map { index in
            let store = ParameterStore<Float>(layout)
            _ = store.values.update(from: numbers[index * layout.count..<(index + 1) * layout.count])
            return store
        }
    }
}
