import Schema

/// What became of learning over a stream: what was kept of earlier domains, what the gate let through, which rules fired.
public struct LearningReport: Codable, Sendable, Equatable {
    public struct Domains: Codable, Sendable, Equatable {
        public var names: [String]
        /// Row i: shares right on domains 0 … i after domain i.
        @Finite public var accuracy: [[Double]]
        /// On each domain, by the model as it was when the domain began, and as it was at the start.
        @Finite public var before: [Double]
        @Finite public var initial: [Double]
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
        @Finite public var accuracy: [String: Double]
        @Finite public var loss: [String: Double]
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
                averageAccuracy: $0.hasAverageAccuracy && $0.averageAccuracy.isFinite ? $0.averageAccuracy : nil,
                anytimeAccuracy: $0.hasAnytimeAccuracy && $0.anytimeAccuracy.isFinite ? $0.anytimeAccuracy : nil,
                backwardTransfer: $0.hasBackwardTransfer && $0.backwardTransfer.isFinite ? $0.backwardTransfer : nil,
                forwardTransfer: $0.hasForwardTransfer && $0.forwardTransfer.isFinite ? $0.forwardTransfer : nil,
                forgetting: $0.hasForgetting && $0.forgetting.isFinite ? $0.forgetting : nil, heldOut: $0.heldOut)
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
            func percent(_ value: Double?) -> String { value.map { shown(100 * $0, "%.1f") + " %" } ?? "none" }
            text +=
                "domains:    \(domains.names.map(\.onOneLine).joined(separator: ", ")), tested on moments that were \(domains.heldOut ? "never " : "")learned\n"
            for (name, row) in zip(domains.names.map(\.onOneLine), domains.accuracy) {
                text +=
                    "  after \(name.padding(toLength: max(12, name.count), withPad: " ", startingAt: 0)) "
                    + row.map { shown(100 * $0, "%5.1f") }.joined(separator: " ") + "\n"
            }
            text +=
                "  average \(percent(domains.averageAccuracy)), at any time \(percent(domains.anytimeAccuracy)), forgetting \(percent(domains.forgetting)), "
                + "transfer back \(percent(domains.backwardTransfer)), forward \(percent(domains.forwardTransfer))\n"
        }
        if let gate {
            let players = gate.accuracy.sorted { $0.key < $1.key }.map { "\($0.key.onOneLine) \(shown(100 * $0.value, "%.1f")) %" }
            text +=
                "gate:       \(gate.decisions.sorted { $0.key < $1.key }.map { "\($0.value) \($0.key.onOneLine)" }.joined(separator: ", ")); right: \(players.joined(separator: ", "))\n"
        }
        if !fired.isEmpty {
            text += "ledger:     \(fired.sorted { $0.key < $1.key }.map { "\($0.key.onOneLine) \($0.value)" }.joined(separator: ", "))\n"
        }
        return text
    }
}
