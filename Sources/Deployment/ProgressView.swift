import Foundation
import Statistics

/// The progress of a run: in a terminal a few lines that are redrawn, otherwise a line at intervals.
public struct ProgressView: Sendable {
    private let isTerminal: Bool
    private let interval: Double
    private var drawn = 0
    private var lastLine = -Double.infinity
    /// The lines drawn last, without the time.
    private var lastLines: [String] = []
    /// Seconds between lines while nothing changes.
    private static let quietInterval = 60.0

    /// - Parameters:
    ///   - isTerminal: whether the output is a terminal.
    ///   - interval: seconds between lines if it is not.
    public init(isTerminal: Bool, interval: Double = 5) {
        self.isTerminal = isTerminal
        self.interval = interval
    }

    /// The text to output for the state of a run after `seconds`; empty if it is too early for another line.
    public mutating func draw(_ record: RunRecord, after seconds: Double) -> String {
        let lines = Self.lines(record, after: seconds)
        guard isTerminal else {
            guard seconds - lastLine >= interval else { return "" }
            let timeless = Self.lines(record, after: 0)
            guard timeless != lastLines || seconds - lastLine >= Self.quietInterval else { return "" }
            (lastLine, lastLines) = (seconds, timeless)
            return lines.map { $0.trimmingCharacters(in: .whitespaces) }.joined(separator: " | ") + "\n"
        }
        let up = drawn > 0 ? "\u{1B}[\(drawn)A" : ""
        drawn = lines.count
        return up + lines.map { "\u{1B}[2K" + $0 + "\n" }.joined()
    }

    /// Must be called after other text was printed: the lines drawn before are not overwritten.
    public mutating func keep() {
        drawn = 0
    }

    static func lines(_ record: RunRecord, after seconds: Double) -> [String] {
        let summary = record.summary
        let now = summary.map { RunReport.Metrics($0.window) }
        let moments = UInt64(clamping: record.statuses["fuse"]?.gauges["moments"] ?? 0)
        var lines = [
            String(
                format: "  %4.0f s   moments %llu (scored %llu)   model version %llu   drops %llu",
                seconds, moments, summary?.moments ?? 0, record.update?.version ?? 0, record.totalDrops)
        ]
        if let now, let first = record.firstWindow {
            func bits(_ scores: RunReport.Scores) -> String { shown(scores.bitsPerByte, "%.3f") }
            func right(_ scores: RunReport.Scores) -> String { shown(100 * scores.accuracy, "%.1f") }
            if now.model.tokens > 0 {
                lines.append(
                    "  words   \(bits(now.model)) bits per byte now, \(bits(first.model)) at the start, \(bits(now.frozen)) frozen baseline"
                )
            }
            if now.model.labelled > 0 {
                lines.append(
                    "  labels  \(right(now.model)) % correct now, \(right(first.model)) % at the start, \(right(now.frozen)) % frozen baseline"
                )
            }
        }
        if let fuse = record.statuses["fuse"]?.gauges, let answered = fuse["answered"], answered > 0 {
            let wrong = shown(100 * fuse["answeredWrongly", default: 0], "%.1f")
            lines.append("  sure of \(shown(100 * answered, "%.1f")) % of the newest labels; \(wrong) % of these were wrong")
        }
        if let fuse = record.statuses["fuse"]?.gauges, fuse["labelsRemembered", default: 0] > 0, let accuracy = fuse["predictionAccuracy"] {
            lines.append("  labels  \(shown(100 * accuracy, "%.1f")) % correct as predicted, with what was labelled before")
        }
        if let decisions = decisionLine(fuse: record.statuses["fuse"]?.gauges ?? [:], learn: record.statuses["learn"]?.gauges ?? [:]) {
            lines.append("  " + decisions)
        }
        if lines.count == 1 { lines.append("  waiting for the first words or labels") }
        let latencies = record.latencies
        func milliseconds(_ name: String) -> String {
            latencies[name].map { "\(shown(1000 * $0.p50, "%.1f")) ms (p99 \(shown(1000 * $0.p99, "%.1f")))" } ?? "–"
        }
        lines.append("  latency prediction \(milliseconds("prediction")), published update \(milliseconds("update"))")
        return lines
    }
}
