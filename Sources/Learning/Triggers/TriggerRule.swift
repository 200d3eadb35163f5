import Statistics

/// When to act on what is learned: a detector on a signal, and budget, and cool-down → an action.
///
/// `EveryN` with `every` 1 and a cool-down is an interval.
public struct TriggerRule: Settings {
    public enum Action: String, Choice {
        case nothing
        case step
        case replayBurst = "replay_burst"
        case raiseRate = "raise_rate"
        case lowerRate = "lower_rate"
        case switchStrategy = "switch_strategy"
        case switchOptimizer = "switch_optimizer"
        case rollBack = "roll_back"
    }

    /// How the ledger calls it; unique among rules.
    public var name = "drift"
    /// What it listens to: `loss`, `error`, `anchor_loss`, `loss_over_frozen`, `join_rate`, `shift.<modality>` or any other that is observed.
    public var signal = "loss"
    /// A name in `driftDetectors`, with settings laid over its defaults.
    public var detector = "ADWIN"
    public var detectorSettings: JSONValue = [:]
    public var action = Action.replayBurst
    /// How much of the action: steps, or a factor on the rate.
    public var amount = 1.0
    /// The name a switch goes to.
    public var target = ""
    /// No second firing within this time.
    public var cooldownSeconds = 10.0
    /// Costs are optimiser steps. What firings may add up to within `budgetSeconds`; a firing counts as `expectedCost` until its cost is told.
    public var budget = 60.0
    public var budgetSeconds = 600.0
    public var expectedCost = 1.0

    public init() {}

    /// Keys that are left out keep their defaults; one that does not exist is refused.
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

    /// Throws the first setting that makes no sense where names are chosen from given lists.
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
            "\(amount) is no factor to \(action.rawValue) by; it wants more than 1")
        let switches = action == .switchStrategy || action == .switchOptimizer
        try SettingsError.require(!switches || !target.isEmpty, "target", "is empty; \(action.rawValue) wants the name to switch to")
        switch action {
        case .switchOptimizer: _ = try updateRule(target, from: lists.optimizers)
        case .switchStrategy: _ = try StrategyMix(named: target, from: lists.strategies)
        default: break
        }
        _ = try NamedDetector(detector, settings: detectorSettings, from: lists.driftDetectors)
    }
}
