import Statistics
import StrictJSON

/// A rule that acts on the learner: when a detector fires on a signal, within a budget and outside a cool-down time, an action is done.
///
/// The detector `EveryN` with `every` 1 and a cool-down time acts at regular intervals.
public struct TriggerRule: Settings {
    /// What a rule does.
    public enum Action: String, Choice {
        /// Only writes an entry to the ledger.
        case nothing
        /// Makes more steps with the current moment.
        case step
        /// Makes steps with remembered moments.
        case replayBurst = "replay_burst"
        /// Multiplies the learning rate.
        case raiseRate = "raise_rate"
        /// Divides the learning rate.
        case lowerRate = "lower_rate"
        /// Switches to another strategy, on trial.
        case switchStrategy = "switch_strategy"
        /// Switches to another optimiser, on trial.
        case switchOptimizer = "switch_optimizer"
        /// Restores earlier weights.
        case rollBack = "roll_back"
    }

    /// The rule's name in the ledger; unique among rules.
    public var name = "drift"
    /// The signal that it observes: `loss`, `error`, `anchor_loss`, `loss_over_frozen`, `join_rate`, `shift.<modality>` or another.
    public var signal = "loss"
    /// A name in `driftDetectors`.
    public var detector = "ADWIN"
    /// Settings that replace the detector's defaults.
    public var detectorSettings: JSON = [:]
    /// What it does.
    public var action = Action.replayBurst
    /// The amount of the action: a number of steps, or a factor of the rate.
    public var amount = 1.0
    /// The name that a switch switches to.
    public var target = ""
    /// The time after an action in which no other is done.
    public var cooldownSeconds = 10.0
    /// The maximal total cost of actions within `budgetSeconds`, in optimiser steps.
    public var budget = 60.0
    /// The time for which costs count in the budget.
    public var budgetSeconds = 600.0
    /// The cost of an action, in optimiser steps, until its cost is known.
    public var expectedCost = 1.0

    public init() {}

    /// Absent keys have their defaults.
    /// - Throws: `DecodingError`, for an unknown key.
    public init(from decoder: any Decoder) throws {
        let given = try decoder.container(keyedBy: AnyKey.self)
        if let stray = given.allKeys.first(where: { CodingKeys(stringValue: $0.stringValue) == nil }) {
            throw DecodingError.dataCorruptedError(forKey: stray, in: given, debugDescription: "a trigger has no '\(stray.stringValue)'")
        }
        let container = try decoder.container(keyedBy: CodingKeys.self)
        func read<Value: Decodable>(_ value: inout Value, _ key: CodingKeys) throws {
            if let read = try container.decodeIfPresent(Value.self, forKey: key) { value = read }
        }
        try read(&name, .name)
        try read(&signal, .signal)
        try read(&detector, .detector)
        try read(&detectorSettings, .detectorSettings)
        try read(&action, .action)
        try read(&amount, .amount)
        try read(&target, .target)
        try read(&cooldownSeconds, .cooldownSeconds)
        try read(&budget, .budget)
        try read(&budgetSeconds, .budgetSeconds)
        try read(&expectedCost, .expectedCost)
    }

    private struct AnyKey: CodingKey {
        let stringValue: String
        var intValue: Int? { nil }

        init?(stringValue: String) { self.stringValue = stringValue }
        init?(intValue: Int) { nil }
    }

    private enum CodingKeys: CodingKey {
        case name, signal, detector, detectorSettings, action, amount, target, cooldownSeconds, budget, budgetSeconds, expectedCost
    }

    public func validate() throws(SettingsError) { try validate(with: LearningLists()) }

    /// Checks all settings, with names from given lists.
    /// - Throws: `SettingsError`, the first invalid setting.
    public func validate(with lists: LearningLists) throws(SettingsError) {
        try SettingsError.require(!name.isEmpty, "name", "is empty")
        try SettingsError.require(!signal.isEmpty, "signal", "is empty")
        try SettingsError.require(amount >= 0 && amount <= 10_000, "amount", "\(amount) is not in 0…10000")
        for (key, value) in [
            ("cooldown_seconds", cooldownSeconds), ("budget", budget), ("budget_seconds", budgetSeconds), ("expected_cost", expectedCost),
        ] {
            try SettingsError.require(value >= 0 && value <= 1e9, key, "\(value) is not in 0…1e9")
        }
        try SettingsError.require(
            action != .raiseRate && action != .lowerRate || amount > 1, "amount",
            "\(amount) is not a factor for \(action.rawValue); it must be above 1")
        let switches = action == .switchStrategy || action == .switchOptimizer
        try SettingsError.require(!switches || !target.isEmpty, "target", "is empty; \(action.rawValue) needs the name to switch to")
        switch action {
        case .switchOptimizer: _ = try updateRule(target, from: lists.optimizers)
        case .switchStrategy: _ = try StrategyMix(named: target, from: lists.strategies)
        default: break
        }
        _ = try NamedDetector(detector, settings: detectorSettings, from: lists.driftDetectors)
    }
}
