/// The result of one evaluation of a rule.
public enum TriggerVerdict: String, Codable, Sendable {
    /// The detector did not fire.
    case quiet
    /// The detector fired, and the action is done.
    case fired
    /// The detector fired during the cool-down time; nothing is done.
    case coolingDown = "cooling_down"
    /// The detector fired, but the budget is used up; nothing is done.
    case overBudget = "over_budget"
    /// The signal was not finite.
    case noSignal = "no_signal"
}

/// An entry of the ledger: one evaluation of a rule, or several consecutive ones in which it did not fire.
public struct TriggerEntry: Codable, Sendable, Equatable {
    /// The entry's number, from 0.
    public let serial: Int
    /// The rule's name.
    public let rule: String
    /// The rule's action.
    public let action: TriggerRule.Action
    /// The result of the evaluation.
    public let verdict: TriggerVerdict
    /// The time of the last evaluation, in nanoseconds of the caller's clock.
    public var time: Int64
    /// The signal at the last evaluation; nil if it was not finite.
    public var signal: Double?
    /// The number of evaluations in this entry.
    public var evaluations = 1
    /// The cost of the action, in optimiser steps; set afterwards, if it was done.
    public var cost: Double?
    /// A measure before the action, lower is better.
    public var before: Double?
    /// The same measure after the action.
    public var after: Double?
    /// What was done, in words.
    public var note: String?
}

/// A bounded log of the evaluations of all rules, newest last; the oldest entries are dropped and counted.
public struct TriggerLedger: Codable, Sendable, Equatable {
    /// The maximal number of entries.
    public let capacity: Int
    /// The entries, newest last.
    public private(set) var entries: [TriggerEntry] = []
    /// The number of entries dropped.
    public private(set) var dropped = 0
    private var next = 0

    public init(capacity: Int = 1000) {
        precondition(capacity > 0, "a ledger of \(capacity) entries")
        self.capacity = capacity
    }

    mutating func append(_ rule: TriggerRule, _ verdict: TriggerVerdict, _ signal: Double, at time: Int64) -> TriggerEntry {
        let signal = finite(signal)
        if verdict == .quiet, let last = entries.lastIndex(where: { $0.rule == rule.name }), entries[last].verdict == .quiet {
            entries[last].time = time
            entries[last].signal = signal
            entries[last].evaluations += 1
            return entries[last]
        }
        let entry = TriggerEntry(serial: next, rule: rule.name, action: rule.action, verdict: verdict, time: time, signal: signal)
        insert(entry)
        return entry
    }

    /// Appends an entry that is not from a rule: a gate's verdict, an operator's order, a reverted switch.
    ///
    /// - Parameters:
    ///   - author: takes the place of the rule's name.
    ///   - action: what was done.
    ///   - note: what was done, in words.
    ///   - signal: the signal, if any.
    ///   - before, after: a measure before and after, if any; lower is better.
    ///   - time: nanoseconds of the caller's clock.
    public mutating func append(
        _ author: String, _ action: TriggerRule.Action, _ note: String, signal: Double? = nil, before: Double? = nil, after: Double? = nil,
        at time: Int64
    ) {
        var entry = TriggerEntry(serial: next, rule: author, action: action, verdict: .fired, time: time, signal: finite(signal))
        (entry.before, entry.after, entry.note) = (finite(before), finite(after), note)
        insert(entry)
    }

    private mutating func insert(_ entry: TriggerEntry) {
        next += 1
        entries.append(entry)
        if entries.count > capacity {
            entries.removeFirst()
            dropped += 1
        }
    }

    mutating func settle(_ serial: Int, cost: Double, before: Double?, after: Double?, note: String?) {
        guard let index = entries.lastIndex(where: { $0.serial == serial }) else { return }
        entries[index].cost = finite(cost)
        entries[index].note = note
        entries[index].before = finite(before)
        entries[index].after = finite(after)
    }
}

/// A number for JSON, which has no infinity or NaN.
private func finite(_ number: Double?) -> Double? { number.flatMap { $0.isFinite ? $0 : nil } }
