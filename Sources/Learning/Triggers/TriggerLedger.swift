/// What became of one evaluation of a rule.
public enum TriggerVerdict: String, Codable, Sendable {
    case quiet
    case fired
    /// The detector fired, too soon after the last time.
    case coolingDown = "cooling_down"
    /// The detector fired, and the budget is spent.
    case overBudget = "over_budget"
    /// The signal was not a number.
    case noSignal = "no_signal"
}

/// A line of the ledger: one evaluation, or several in a row of one rule that stayed quiet.
public struct TriggerEntry: Codable, Sendable, Equatable {
    public let serial: Int
    public let rule: String
    public let action: TriggerRule.Action
    public let verdict: TriggerVerdict
    /// Nanoseconds of the caller's clock; of the last evaluation.
    public var time: Int64
    /// Of the last evaluation; nil where the signal was not a number.
    public var signal: Double?
    /// Evaluations in this line.
    public var evaluations = 1
    /// Told afterwards, for what fired.
    public var cost: Double?
    /// What the action changed: a measure before and after it, lower is better.
    public var before: Double?
    public var after: Double?
    /// What was done, in words.
    public var note: String?
}

/// Every evaluation of every rule, newest last; the oldest lines are dropped and counted.
public struct TriggerLedger: Codable, Sendable, Equatable {
    public let capacity: Int
    public private(set) var entries: [TriggerEntry] = []
    public private(set) var dropped = 0
    private var next = 0

    public init(capacity: Int = 1000) {
        precondition(capacity > 0, "a ledger of \(capacity) lines")
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

    /// A line that no rule wrote: a gate's verdict, an operator's word, a switch that was taken back.
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

/// The ledger is written as JSON, which has no other numbers.
private func finite(_ number: Double?) -> Double? { number.flatMap { $0.isFinite ? $0 : nil } }
