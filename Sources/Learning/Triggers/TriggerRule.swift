import Statistics

/// When to act on what is learned: a detector on a signal, and budget, and cool-down → an action.
///
/// `EveryN` with `every` 1 and a cool-down is an interval.
public struct TriggerRule: Settings {
    public enum Action: String, Codable, Sendable, CaseIterable {
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
    /// How much of the action: steps of a burst, a factor on the rate; what it means is the action's.
    public var amount = 1.0
    /// The name a switch goes to.
    public var target = ""
    /// No second firing within this time.
    public var cooldownSeconds = 10.0
    /// The cost that firings may add up to within `budgetSeconds`; a firing counts as `expectedCost` until its cost is told.
    public var budget = 60.0
    public var budgetSeconds = 600.0
    public var expectedCost = 1.0

    public init() {}

    public func validate() throws(SettingsError) {
        try SettingsError.require(!name.isEmpty, "name", "is empty")
        try SettingsError.require(!signal.isEmpty, "signal", "is empty")
        try SettingsError.require(amount >= 0, "amount", "\(amount) is negative")
        for (key, value) in [
            ("cooldown_seconds", cooldownSeconds), ("budget", budget), ("budget_seconds", budgetSeconds), ("expected_cost", expectedCost),
        ] {
            try SettingsError.require(value >= 0 && value <= 1e9, key, "\(value) is not in 0…1e9")
        }
        let switches = action == .switchStrategy || action == .switchOptimizer
        try SettingsError.require(!switches || !target.isEmpty, "target", "is empty; \(action.rawValue) wants the name to switch to")
        _ = try NamedDetector(detector, settings: detectorSettings)
    }
}
