import Schema

/// The part of a report about learning: accuracies by domain, decisions of the gate, and firings of trigger rules.
public struct LearningReport: Codable, Sendable, Equatable {
    public struct Domains: Codable, Sendable, Equatable {
        public var names: [String]
        /// Row i: the accuracies on domains 0 … i after domain i.
        @Finite public var accuracy: [[Double]]
        /// The accuracy on each domain of the model at the beginning of the domain.
        @Finite public var before: [Double]
        /// The accuracy on each domain of the initial model.
        @Finite public var initial: [Double]
        public var averageAccuracy: Double?
        public var anytimeAccuracy: Double?
        public var backwardTransfer: Double?
        public var forwardTransfer: Double?
        public var forgetting: Double?
        /// Whether the accuracies were measured on moments from which the model has not learned.
        public var heldOut: Bool
    }

    public struct Gate: Codable, Sendable, Equatable {
        /// The number of decisions on publications, by kind.
        public var decisions: [String: UInt64]
        /// The prequential accuracy of the serving version, of the frozen baseline and of the ungated baseline, which is updated on a fixed
        /// schedule.
        @Finite public var accuracy: [String: Double]
        /// Their prequential losses, in nats per label.
        @Finite public var loss: [String: Double]
    }

    /// Nil if no domain was given or detected.
    public var domains: Domains?
    /// Nil without a gate.
    public var gate: Gate?
    /// The number of firings by rule, and of ledger lines of the gate, an operator or the learner.
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

    /// A summary in a few lines; empty if there is nothing to report.
    var summary: String {
        var text = ""
        if let domains {
            func percent(_ value: Double?) -> String { value.map { shown(100 * $0, "%.1f") + " %" } ?? "none" }
            let tested = domains.heldOut ? "held-out moments" : "moments that were learned too"
            text += "domains:    \(domains.names.map(\.onOneLine).joined(separator: ", ")), tested on \(tested)\n"
            for (name, row) in zip(domains.names.map(\.onOneLine), domains.accuracy) {
                text +=
                    "  after \(name.padding(toLength: max(12, name.count), withPad: " ", startingAt: 0)) "
                    + row.map { shown(100 * $0, "%5.1f") }.joined(separator: " ") + "\n"
            }
            text +=
                "  average \(percent(domains.averageAccuracy)), anytime \(percent(domains.anytimeAccuracy)), "
                + "forgetting \(percent(domains.forgetting)), backward transfer \(percent(domains.backwardTransfer)), "
                + "forward transfer \(percent(domains.forwardTransfer))\n"
        }
        if let gate {
            let decisions = gate.decisions.sorted { $0.key < $1.key }.map { "\($0.value) \($0.key.onOneLine)" }
            let accuracies = gate.accuracy.sorted { $0.key < $1.key }.map { "\($0.key.onOneLine) \(shown(100 * $0.value, "%.1f")) %" }
            text += "gate:       \(decisions.joined(separator: ", ")); accuracy: \(accuracies.joined(separator: ", "))\n"
        }
        if !fired.isEmpty {
            text += "ledger:     \(fired.sorted { $0.key < $1.key }.map { "\($0.key.onOneLine) \($0.value)" }.joined(separator: ", "))\n"
        }
        return text
    }
}
