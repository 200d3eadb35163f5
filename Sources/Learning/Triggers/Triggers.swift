import Statistics

/// All rules of a learner, the state of their detectors, and the ledger of evaluations and actions.
///
///     for firing in triggers.observe("loss", loss, at: now) {
///         … act …
///         triggers.settle(firing, cost: seconds, before: loss, after: lossNow)
///     }
///
/// It is a value, with time as an argument: the same observations give the same firings, and a restored value continues exactly.
public struct Triggers: Codable, Sendable {
    /// A rule that has fired, whose action the caller does.
    public struct Firing: Sendable, Equatable {
        /// The number of the ledger's entry.
        public let serial: Int
        /// The rule.
        public let rule: TriggerRule
    }

    private var watches: [Watch] = []
    /// The log of evaluations and actions.
    public var ledger: TriggerLedger

    /// - Parameters:
    ///   - rules: the rules, with different names.
    ///   - lists: strategies, optimisers, replay policies and detectors, by name.
    ///   - ledgerCapacity: the maximal number of entries of the ledger.
    /// - Throws: `SettingsError`, if a rule is invalid.
    public init(_ rules: [TriggerRule], lists: LearningLists = LearningLists(), ledgerCapacity: Int = 1000) throws(SettingsError) {
        for rule in rules {
            try rule.validate(with: lists)
            try SettingsError.require(!watches.contains { $0.rule.name == rule.name }, "name", "two rules are called '\(rule.name)'")
            let detector = try NamedDetector(rule.detector, settings: rule.detectorSettings, from: lists.driftDetectors)
            watches.append(Watch(rule: rule, detector: detector))
        }
        ledger = TriggerLedger(capacity: ledgerCapacity)
    }

    /// The rules.
    public var rules: [TriggerRule] { watches.map(\.rule) }

    /// Evaluates the rules of a signal on its next value, in their order.
    ///
    /// - Parameters:
    ///   - signal: the signal's name.
    ///   - value: its value.
    ///   - now: nanoseconds of a monotonic clock.
    /// - Returns: the rules that fired; the caller does their actions and then calls `settle`.
    public mutating func observe(_ signal: String, _ value: Double, at now: Int64) -> [Firing] {
        var firings: [Firing] = []
        for index in watches.indices where watches[index].rule.signal == signal {
            let verdict = watches[index].evaluate(value, at: now)
            let entry = ledger.append(watches[index].rule, verdict, value, at: now)
            guard verdict == .fired else { continue }
            watches[index].fire(entry.serial, at: now)
            firings.append(Firing(serial: entry.serial, rule: watches[index].rule))
        }
        return firings
    }

    /// Records an action in the ledger, and its cost in the rule's budget.
    ///
    /// - Parameters:
    ///   - firing: the rule that fired.
    ///   - cost: the action's cost, in optimiser steps.
    ///   - before, after: a measure before and after the action; lower is better.
    ///   - note: what was done, in words.
    public mutating func settle(_ firing: Firing, cost: Double, before: Double? = nil, after: Double? = nil, note: String? = nil) {
        ledger.settle(firing.serial, cost: cost, before: before, after: after, note: note)
        for index in watches.indices where watches[index].rule.name == firing.rule.name {
            watches[index].settle(firing.serial, cost: cost)
        }
    }
}

/// A rule with its detector's state and its recent costs.
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

    /// Evaluates the rule. The detector gets every value, also when the rule must not fire.
    mutating func evaluate(_ value: Double, at now: Int64) -> TriggerVerdict {
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

private func seconds(from earlier: Int64, to later: Int64) -> Double { Double(secondsIn: later.clampedSubtracting(earlier)) }
