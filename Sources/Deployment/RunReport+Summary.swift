import Foundation
import Statistics

extension RunReport {
    /// The report as a text of a few lines.
    public var summary: String {
        let decisions = decisionLine(fuse: noted["fuse"] ?? [:], learn: noted["learn"] ?? [:]).map { "decisions:  \($0)\n" } ?? ""
        let memory = peakMemoryBytes.values.reduce(UInt64(0)) { $0.clampedAdding($1) } >> 20
        let seconds = Int(clamping: wallSeconds)
        return "\nReport: \(moments) moments in \(seconds) s, \(updates) updates, version \(version), \(setAside) moments set aside\n"
            + (nothingLearned.map { "nothing was learned: \($0.why)\n" } ?? "")
            // Without scored moments only the decisions are shown, if there are any.
            + (moments == 0 && !decisions.isEmpty ? "" : scores) + decisions + learning.summary
            + "latency:    prediction \(milliseconds("prediction")); published update \(milliseconds("update"))\n"
            + "dropped:    \(losses.isEmpty ? "nothing" : losses.joined(separator: ", "))\n"
            + "memory:     \(memory) MB, sum of the stages' peaks\n"
            + (restarts.isEmpty ? "" : "restarts:   \(restarts.map { "\($0.key) \($0.value)" }.sorted().joined(separator: ", "))\n")
            + "checkpoint: \(checkpoint)\n"
    }

    private var scores: String {
        let evaluated = scored.clampedAdding(setAside)
        let heading =
            evaluated < moments
            ? "over the newest \(evaluated) of \(moments) moments: the evaluator was restarted, and its earlier counts are lost\n"
            : "over the whole run\n"
        return heading + lines(metrics) + "over the newest \(window.model.labelled)\n" + lines(window)
    }

    private func lines(_ metrics: Metrics) -> String {
        func line(_ name: String, _ scores: Scores) -> String {
            "  \(name.onOneLine.padding(toLength: 18, withPad: " ", startingAt: 0))"
                + "words \(shown(scores.bitsPerByte, "%6.3f")) bits per byte   "
                + "labels \(shown(100 * scores.accuracy, "%5.1f")) % correct of \(scores.labelled)\n"
        }
        return line("model", metrics.model) + (metrics.personal.map { line("personal", $0) } ?? "")
            + line("frozen baseline", metrics.frozen)
            + metrics.masked.sorted { $0.key < $1.key }.map { line("without \($0.key)", $0.value) }.joined()
    }

    /// The numbers of items dropped and messages lost, with stage and reason or topic.
    private var losses: [String] {
        let lost = drops.flatMap { stage, reasons in reasons.map { "\(stage): \($0.key.onOneLine) \($0.value)" } }.sorted()
        return lost + gaps.flatMap { stage, topics in topics.map { "\(stage) lost \($0.value) of \($0.key.onOneLine)" } }.sorted()
    }

    private func milliseconds(_ name: String) -> String {
        latencySeconds[name].map { "p50 \(shown(1000 * $0.p50, "%.1f")) ms, p99 \(shown(1000 * $0.p99, "%.1f")) ms" } ?? "none"
    }
}

/// A formatted number, or a text if it is not finite.
func shown(_ number: Double, _ format: String) -> String { number.isFinite ? String(format: format, number) : "not finite" }
