import Foundation
import Statistics

/// How a run looks in a terminal: a few lines, written over each time; or a line now and then where output is not a terminal.
public struct ProgressView: Sendable {
    private let isTerminal: Bool
    private let interval: Double
    private var drawn = 0
    private var lastLine = -Double.infinity

    /// - Parameter interval: seconds between lines where output is not a terminal.
    public init(isTerminal: Bool, interval: Double = 5) {
        self.isTerminal = isTerminal
        self.interval = interval
    }

    /// The text to write for the state of a run after `seconds`, or nothing if it is too early for another line.
    public mutating func draw(_ record: RunRecord, after seconds: Double) -> String {
        let lines = Self.lines(record, after: seconds)
        guard isTerminal else {
            guard seconds - lastLine >= interval else { return "" }
            lastLine = seconds
            return lines.map { $0.trimmingCharacters(in: .whitespaces) }.joined(separator: " | ") + "\n"
        }
        let up = drawn > 0 ? "\u{1B}[\(drawn)A" : ""
        drawn = lines.count
        return up + lines.map { "\u{1B}[2K" + $0 + "\n" }.joined()
    }

    /// Forgets the lines on the screen, so that a message printed since stays.
    public mutating func keep() {
        drawn = 0
    }

    static func lines(_ record: RunRecord, after seconds: Double) -> [String] {
        let summary = record.summary
        let now = summary.map { RunReport.Metrics($0.window) }
        let moments = UInt64(clamping: record.statuses["fuse"]?.gauges["moments"] ?? 0)
        var lines = [String(format: "  %4.0f s   moments %llu (scored %llu)   model version %llu   drops %llu",
                            seconds, moments, summary?.moments ?? 0, record.update?.version ?? 0, record.totalDrops)]
        if let now, let first = record.firstWindow {
            lines.append(String(format: "  words   %.3f bits a byte now, %.3f at the start, %.3f frozen", now.model.bitsPerByte, first.model.bitsPerByte, now.frozen.bitsPerByte))
            lines.append(String(format: "  labels  %.1f %% right now, %.1f %% at the start, %.1f %% frozen",
                                100 * now.model.accuracy, 100 * first.model.accuracy, 100 * now.frozen.accuracy))
        }
        if let decisions = decisionLine(fuse: record.statuses["fuse"]?.gauges ?? [:], learn: record.statuses["learn"]?.gauges ?? [:]) {
            lines.append("  " + decisions)
        }
        if lines.count == 1 { lines.append("  words   waiting for the first moments") }
        let latencies = record.latencies
        func milliseconds(_ name: String) -> String {
            latencies[name].map { String(format: "%.1f ms (p99 %.1f)", 1000 * $0.p50, 1000 * $0.p99) } ?? "–"
        }
        lines.append("  latency prediction \(milliseconds("prediction")), published update \(milliseconds("update"))")
        return lines
    }
}
