import Schema

/// What became of learning over a stream: what was kept of earlier domains, what the gate let through, which rules fired.
public struct LearningReport: Codable, Sendable, Equatable {
    public struct Domains: Codable, Sendable, Equatable {
        public var names: [String]
        /// Row i: shares right on domains 0 … i after domain i.
        public var accuracy: [[Double]]
        /// On each domain, by the model as it was when the domain began, and as it was at the start.
        public var before: [Double]
        public var initial: [Double]
        public var averageAccuracy: Double?
        public var anytimeAccuracy: Double?
        public var backwardTransfer: Double?
        public var forwardTransfer: Double?
        public var forgetting: Double?
        /// Whether the moments tested on were never learned from.
        public var heldOut: Bool
    }

    public struct Gate: Codable, Sendable, Equatable {
        /// Publications, by what was decided.
        public var decisions: [String: UInt64]
        /// By player: the version on duty, the twin that never learns, the dummy renewed on a fixed schedule; each judged before a moment was learned.
        public var accuracy: [String: Double]
        public var loss: [String: Double]
    }

    /// Absent where no domain was told or found.
    public var domains: Domains?
    /// Absent without a gate.
    public var gate: Gate?
    /// Firings by rule, and lines that the gate, an operator or the learner wrote.
    public var fired: [String: UInt64]
}

extension LearningReport {
    init(_ record: RunRecord) {
        domains = record.domains.map {
            Domains(
                names: $0.domains, accuracy: $0.rows.map(\.accuracy), before: $0.before, initial: $0.initial,
                averageAccuracy: $0.hasAverageAccuracy ? $0.averageAccuracy : nil, anytimeAccuracy: $0.hasAnytimeAccuracy ? $0.anytimeAccuracy : nil,
                backwardTransfer: $0.hasBackwardTransfer ? $0.backwardTransfer : nil, forwardTransfer: $0.hasForwardTransfer ? $0.forwardTransfer : nil,
                forgetting: $0.hasForgetting ? $0.forgetting : nil, heldOut: $0.heldOut)
        }
        gate = record.verdict.map {
            Gate(decisions: $0.decisions, accuracy: $0.tallies.mapValues(\.accuracy), loss: $0.tallies.mapValues(\.loss))
        }
        fired = record.fired
    }

    /// A few lines, or none where there is nothing to tell.
    var summary: String {
        var text = ""
        if let domains {
            func percent(_ value: Double?) -> String { value.map { String(format: "%.1f %%", 100 * $0) } ?? "none" }
            text += "domains:    \(domains.names.joined(separator: ", ")), tested on moments that were \(domains.heldOut ? "never " : "")learned\n"
            for (name, row) in zip(domains.names, domains.accuracy) {
                text += "  after \(name.padding(toLength: max(12, name.count), withPad: " ", startingAt: 0)) " + row.map { String(format: "%5.1f", 100 * $0) }.joined(separator: " ") + "\n"
            }
            text += "  average \(percent(domains.averageAccuracy)), at any time \(percent(domains.anytimeAccuracy)), forgetting \(percent(domains.forgetting)), "
                + "transfer back \(percent(domains.backwardTransfer)), forward \(percent(domains.forwardTransfer))\n"
        }
        if let gate {
            let players = gate.accuracy.sorted { $0.key < $1.key }.map { String(format: "\($0.key) %.1f %%", 100 * $0.value) }
            text += "gate:       \(gate.decisions.sorted { $0.key < $1.key }.map { "\($0.value) \($0.key)" }.joined(separator: ", ")); right: \(players.joined(separator: ", "))\n"
        }
        if !fired.isEmpty { text += "ledger:     \(fired.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }.joined(separator: ", "))\n" }
        return text
    }
}
