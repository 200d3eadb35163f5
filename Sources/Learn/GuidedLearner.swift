import Configuration
import Foundation
import Learning
import Messaging
import Model
import Schema
import Statistics
import StrictJSON
import Tensors

/// A learner with its trigger rules and the gate that accepts or rejects what it learned before it is published. It has one owner.
final class GuidedLearner {
    private(set) var learner: OnlineLearner
    /// Nil where every update is accepted.
    private(set) var gate: UpdateGate?
    private(set) var rules: TriggeredLearning
    /// Finds what moved the versions that are explained; nil where none are.
    private(set) var influence: UpdateInfluence?
    let settings: GraphSettings
    /// Corrections that wait for further steps: the moment, its source, and how many steps.
    private var open: [(MomentInput, String, Int)] = []
    /// Signals measured since the rules were last evaluated.
    private var signals: [(String, Double)] = []
    /// Whether the ledger says already that the budget of privacy is spent.
    private var hasNotedBudget = false

    /// - Throws: the error of invalid settings, or of reading the model that the trunk starts from.
    init(_ settings: GraphSettings) throws {
        self.settings = settings
        (learner, gate, rules) = try Self.begin(settings)
        beginInfluence()
    }

    private func beginInfluence() {
        guard settings.learn.influenceEvery > 0 else { return }
        let influence = UpdateInfluence(learner, random: RandomSource(seed: UInt64(settings.seed)))
        learner.observers = [influence]
        self.influence = influence
    }

    /// The state before the first moment.
    private static func begin(_ settings: GraphSettings) throws -> (OnlineLearner, UpdateGate?, TriggeredLearning) {
        let model = try MultimodalModel(settings.model), seed = UInt64(settings.seed)
        let learner = try OnlineLearner(model, settings.learner, seed: seed, privacy: settings.privacy)
        try model.loadTrunk(into: learner.parameters)
        let start = learner.parameters.copy()
        let gate =
            settings.learn.gate.enabled
            ? try UpdateGate(
                settings.learn.gate, model, frozen: start, serving: start, random: RandomSource(seed: seed),
                judgesTexts: settings.learner.languageRows > 0) : nil
        return (learner, gate, try TriggeredLearning(settings.learn.triggers, model, frozen: start, seed: seed))
    }

    /// Restores the state before the first moment, to the bit; the ledgers go on.
    /// - Throws: the error of reading the model that the trunk starts from; nothing is changed then.
    private func reset() throws {
        let ledger = rules.ledger
        (learner, gate, rules) = try Self.begin(settings)
        beginInfluence()
        rules.ledger = ledger
        try countSpending(in: settings.learn.directory)
        hasNotedBudget = false
        signals.removeAll()
        open.removeAll()
    }

    var serving: ParameterStore<Float> { gate?.serving ?? learner.servingParameters }
    var ledger: TriggerLedger { rules.ledger }

    /// Notes a signal measured elsewhere, for the rules that use it.
    func note(_ signal: String, _ value: Double?) {
        if let value { signals.append((signal, value)) }
    }

    /// Scores a moment for the gate, learns from it, and lets the rules act.
    /// - Parameters:
    ///   - source: the session that the moment is from.
    ///   - name: the moment's id.
    ///   - time: nanoseconds of a clock that does not run back.
    ///   - correctsLater: whether further steps from a moment with an answer are left to `continueCorrection`.
    ///   - reading: reads what was predicted of the moment, row 0, before it was learned.
    /// - Returns: nil where there is nothing to learn from.
    /// - Throws: `MomentProblem` where the moment does not fit the model.
    func learn(
        _ input: MomentInput, source: String, name: String = "", at time: Int64, correctsLater: Bool = false,
        reading: (MultimodalGraph<Float>) -> Void = { _ in }
    ) throws(MomentProblem) -> LearnOutcome? {
        if let gate {
            try learner.model.configuration.check(input)
            gate.observe(input, source: source, candidate: learner.servingParameters)
        }
        let serial = learner.momentsSeen
        let outcome = try learner.learn(input, source: source, corrects: !correctsLater, reading: reading)
        if let outcome { influence?.note(outcome, of: input, source: source, name: name, serial: serial) }
        if correctsLater, input.answer != nil {
            open.append((input, source, learner.configuration.correctionSteps))
            if open.count > Self.mostOpen { open.removeFirst() }
        }
        if learner.isBudgetSpent, !hasNotedBudget {
            hasNotedBudget = true
            rules.ledger.append("privacy", .nothing, "the budget is spent: the model serves as it is, and learns nothing more", at: time)
        }
        rules.observe(outcome, of: input, learner, signals: signals, good: gate?.serving, at: time)
        signals.removeAll()
        return outcome
    }

    /// The most corrections that wait for further steps; of more, the oldest wait no longer.
    private static let mostOpen = 64

    /// Whether a correction waits for further steps.
    var hasOpenCorrection: Bool { !open.isEmpty }

    /// Takes one further step from the oldest correction that waits for some.
    /// - Returns: false if none does.
    func continueCorrection() -> Bool {
        guard let (input, source, steps) = open.first else { return false }
        if steps > 0, learner.correct(by: input) {
            open[0] = (input, source, steps - 1)
        } else {
            open.removeFirst()
        }
        return true
    }

    /// Remembers a moment, to be replayed, without a step of its own.
    /// - Returns: false where there is nothing to learn from it.
    /// - Throws: `MomentProblem` where the moment does not fit the model.
    func remember(_ input: MomentInput, source: String) throws(MomentProblem) -> Bool { try learner.remember(input, source: source) }

    /// Lets the gate decide which parameters serve from now on. Nil without a gate: the learned ones do.
    func decide(at time: Int64) -> GateVerdict? {
        guard let gate else { return nil }
        let verdict = gate.decide(learner)
        note("anchor_loss", gate.anchorLoss)
        if verdict.decision != .accepted {
            rules.ledger.append(
                "gate", verdict.decision == .rolledBack ? .rollBack : .nothing, verdict.reason, signal: verdict.anchorLoss,
                before: verdict.servingLoss,
                after: verdict.candidateLoss, at: time)
        }
        return verdict
    }

    /// Ends a domain: strategies consolidate the current weights, unless the gate has not accepted them.
    func endDomain(accepted: Bool) {
        if accepted { learner.consolidate() }
    }

    /// Carries out an operator's order.
    /// - Parameter kept: the versions that can be gone back to.
    /// - Returns: a sentence about what was done.
    /// - Throws: `badOrder`; nothing is changed then.
    func execute(_ order: Order, kept: KeptVersions, at time: Int64) throws(Refusal) -> String {
        let note: String, action: TriggerRule.Action
        if let wanted = try order.wantedVersion {
            let (version, weights) = try kept.weights(notAfter: wanted, of: learner.model)
            learner.rollBack(to: weights)
            gate?.serve(weights)
            let note = "the weights of version \(version) are back" + (version == wanted ? "" : ", the newest kept up to \(wanted)")
            rules.ledger.append("operator", .rollBack, note, at: time)
            return note
        }
        do throws(SettingsError) {
            let settings = try order.settings.isEmpty ? .object([:]) : JSON(text: order.settings)
            switch order.order {
            case .forgetSource(let source)?:
                (note, action) = ("forgot \(forget(source)) remembered moments of \(source.prefix(64))", .nothing)
            case .switchStrategy(let names)?:
                try learner.switchStrategy(to: names, settings: settings)
                (note, action) = ("learns by \(names.prefix(256)), on trial", .switchStrategy)
            case .switchOptimizer(let name)?:
                try learner.switchOptimizer(to: name, settings: settings)
                (note, action) = ("steps by \(name), on trial", .switchOptimizer)
            case .scaleRate(let factor)?:
                try SettingsError.require(factor.isFinite && factor > 0, "scale_rate", "\(factor) is no factor")
                learner.scaleRate(by: factor)
                (note, action) = ("rate at \(learner.optimizer.rateScale) of its rule's", factor > 1 ? .raiseRate : .lowerRate)
            case .rollBack?:
                guard let gate else {
                    throw SettingsError("roll_back", "there is no gate that keeps a good version; name one: --to-version")
                }
                learner.rollBack(to: gate.serving)
                (note, action) = ("the weights of the serving version are back", .rollBack)
            case .resetSession(let session)?:
                (note, action) = ("forgot \(forget(session)) moments of \(session.prefix(64)) and its adapters", .nothing)
            case .resetAll?:
                do { try reset() } catch { throw SettingsError("reset_all", "the initial model cannot be read: \(error)") }
                (note, action) = ("the learner is as before the first moment", .rollBack)
            case nil: throw SettingsError("order", "is empty")
            }
        } catch {
            throw Refusal(.badOrder, error.description)
        }
        rules.ledger.append("operator", action, note, at: time)
        return note
    }

    /// Forgets the moments of a source.
    /// - Returns: how many were remembered for replay.
    private func forget(_ source: String) -> Int {
        open.removeAll { $0.1 == source }
        gate?.forget(source: source)
        rules.forgetMoments()
        influence?.forget(source: source)
        return learner.forget(source: source)
    }
}

extension Order {
    /// The version that the learner is to go back to; nil for an order of another kind.
    /// - Throws: `badOrder` where it is no number.
    var wantedVersion: UInt64? {
        get throws(Refusal) {
            guard case .rollBack? = order, !settings.isEmpty else { return nil }
            guard let members = (try? JSON(parsing: settings.utf8))?.object, members.count == 1,
                let version = members["version"]?.integer.flatMap({ UInt64(exactly: $0) })
            else { throw Refusal(.badOrder, "roll_back: settings are {\"version\": NUMBER} or empty") }
            return version
        }
    }
}

extension JSON {
    fileprivate init(text: String) throws(SettingsError) {
        guard let value = try? JSONDecoder().decode(JSON.self, from: Data(text.utf8)) else {
            throw SettingsError("settings", "not JSON")
        }
        self = value
    }
}

extension GuidedLearner {
    /// The part of its state that a checkpoint stores beside tensors.
    struct Progress: Codable {
        var learner: OnlineLearner.State.Progress
        var gate: UpdateGate.State?
        var rules: TriggeredLearning.State
        var signals: [Signal]

        struct Signal: Codable {
            var name: String
            var value: Double
        }
    }

    var state: (progress: Progress, tensors: [String: [Float]]) {
        let own = learner.state, ruled = rules.state, gated = gate?.state
        var tensors = own.tensors
        for (name, numbers) in ruled.tensors { tensors["rules.\(name)"] = numbers }
        for (name, numbers) in gated?.tensors ?? [:] { tensors["gate.\(name)"] = numbers }
        let progress = Progress(
            learner: own.progress, gate: gated?.progress, rules: ruled.progress,
            signals: signals.filter(\.1.isFinite).map { .init(name: $0.0, value: $0.1) })
        return (progress, tensors)
    }

    /// Restores a checkpoint's state.
    /// - Throws: the error of a state that does not fit the settings.
    func restore(_ progress: Progress, _ tensors: [String: [Float]]) throws {
        func part(_ name: String) -> [String: [Float]] {
            let prefix = name + "."
            return Dictionary(
                uniqueKeysWithValues: tensors.filter { $0.key.hasPrefix(prefix) }.map { (String($0.key.dropFirst(prefix.count)), $0.value) }
            )
        }
        try learner.restore(.init(progress: progress.learner, tensors: tensors))
        rules.restore(progress.rules, part("rules"))
        signals = progress.signals.map { ($0.name, $0.value) }
        guard let gate else { return }
        if let saved = progress.gate {
            guard gate.restore(saved, part("gate")) else { throw CheckpointMismatch("the gate's state does not fit the model") }
        } else {
            gate.start(from: learner.servingParameters)
        }
    }
}
