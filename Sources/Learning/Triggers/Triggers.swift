import Statistics

/// All rules of a learner, the state of their detectors, and the ledger of what they did.
///
///     for firing in triggers.observe("loss", loss, at: now) {
///         … act …
///         triggers.settle(firing, cost: seconds, before: loss, after: lossNow)
///     }
///
/// A value with time as an argument: the same observations give the same firings, and it goes on exactly from its saved state.
public struct Triggers: Codable, Sendable {
    /// A rule that wants its action done.
    public struct Firing: Sendable, Equatable {
        /// Of the ledger's line.
        public let serial: Int
        public let rule: TriggerRule
    }

    private var watches: [Watch] = []
    public var ledger: TriggerLedger

    /// - Parameter lists: what the names of rules choose from.
    public init(_ rules: [TriggerRule], lists: LearningLists = LearningLists(), ledgerCapacity: Int = 1000) throws(SettingsError) {
        for rule in rules {
            try rule.validate(with: lists)
            try SettingsError.require(!watches.contains { $0.rule.name == rule.name }, "name", "two rules are called '\(rule.name)'")
            let detector = try NamedDetector(rule.detector, settings: rule.detectorSettings, from: lists.driftDetectors)
            watches.append(Watch(rule: rule, detector: detector))
        }
        ledger = TriggerLedger(capacity: ledgerCapacity)
    }

    public var rules: [TriggerRule] { watches.map(\.rule) }

    /// Shows a signal's next value to the rules that listen to it, in their order.
    /// - Parameter now: nanoseconds of a clock that does not run back.
    public mutating func observe(_ signal: String, _ value: Double, at now: Int64) -> [Firing] {
        var firings: [Firing] = []
        for index in watches.indices where watches[index].rule.signal == signal {
            let verdict = watches[index].judge(value, at: now)
            let entry = ledger.append(watches[index].rule, verdict, value, at: now)
            guard verdict == .fired else { continue }
            watches[index].fire(entry.serial, at: now)
            firings.append(Firing(serial: entry.serial, rule: watches[index].rule))
        }
        return firings
    }

    /// Tells what an action cost, and a measure before and after it; lower is better.
    public mutating func settle(_ firing: Firing, cost: Double, before: Double? = nil, after: Double? = nil, note: String? = nil) {
        ledger.settle(firing.serial, cost: cost, before: before, after: after, note: note)
        for index in watches.indices where watches[index].rule.name == firing.rule.name {
            watches[index].settle(firing.serial, cost: cost)
        }
    }
}

/// A rule with its detector's state and what it has lately spent.
private struct Watch: Codable {
    struct Spending: Codable {
        let serial: Int
        let time: Int64
        var cost: Double
    }

    let rule: TriggerRule
    var detector: NamedDetector
    var lastFired: Int64?
    var spendings: [Spending] = []

    /// The detector sees every value, whether its rule may fire or not.
    mutating func judge(_ value: Double, at now: Int64) -> TriggerVerdict {
        guard value.isFinite else { return .noSignal }
        guard detector.update(value) else { return .quiet }
        if let lastFired, seconds(from: lastFired, to: now) < rule.cooldownSeconds { return .coolingDown }
        spendings = spendings.filter { seconds(from: $0.time, to: now) < rule.budgetSeconds }
        let spent = spendings.reduce(0) { $0 + $1.cost }
        return spent + rule.expectedCost > rule.budget ? .overBudget : .fired
    }

    mutating func fire(_ serial: Int, at now: Int64) {
        lastFired = now
        spendings.append(Spending(serial: serial, time: now, cost: rule.expectedCost))
    }

    mutating func settle(_ serial: Int, cost: Double) {
        guard let index = spendings.firstIndex(where: { $0.serial == serial }) else { return }
        spendings[index].cost = cost.isFinite ? cost : rule.expectedCost
    }
}

private func seconds(from earlier: Int64, to later: Int64) -> Double { (Double(later) - Double(earlier)) / 1e9 }
