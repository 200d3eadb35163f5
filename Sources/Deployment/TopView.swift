import Foundation
import Schema
import Statistics

/// The state of a running graph as a screen of text: scores, the course of the loss, and a line for each stage.
public struct TopView: Sendable {
    /// The newest status of each stage, and the rates since the one before.
    private var newest: [String: Status] = [:]
    private var rates: [String: (received: Double, sent: Double)] = [:]

    public init() {}

    /// Takes a status, for the rates.
    public mutating func take(_ status: Status) {
        guard newest[status.stage] != nil || newest.count < Self.maximumStages else { return }
        defer { newest[status.stage] = status }
        guard let old = newest[status.stage] else { return }
        let seconds = Double(secondsIn: status.stamp.time.clampedSubtracting(old.stamp.time))
        guard seconds > 0 else { return }
        func rate(_ count: KeyPath<Status, [String: UInt64]>) -> Double {
            func sum(_ status: Status) -> UInt64 { status[keyPath: count].values.reduce(0) { $0.clampedAdding($1) } }
            return Double(sum(status) - min(sum(old), sum(status))) / seconds
        }
        rates[status.stage] = (rate(\.received), rate(\.sent))
    }

    private static let maximumStages = 1_000

    /// The screen.
    /// - Parameters:
    ///   - record: what the graph has published.
    ///   - seconds: since the first message.
    ///   - width: of the terminal, in characters; lines are cut there.
    ///   - height: of the terminal, in lines.
    public func lines(_ record: RunRecord, after seconds: Double, width: Int, height: Int) -> [String] {
        var lines = ProgressView.lines(record, after: seconds) + Self.course(record.points, width: width)
        lines += ["", Self.row(["stage", "in /s", "out /s", "model", "MB", "dropped"])]
        for (name, status) in record.statuses.sorted(by: { $0.key < $1.key }) {
            let rate = rates[name], drops = record.drops(of: name).sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }
            lines.append(
                Self.row([
                    name, rate.map { shown($0.received, "%.1f") } ?? "–", rate.map { shown($0.sent, "%.1f") } ?? "–",
                    status.modelVersion == 0 && !Self.usesModel(name) ? "–" : "\(status.modelVersion)",
                    "\(status.peakMemory >> 20)", drops.isEmpty ? "none" : drops.joined(separator: ", "),
                ]))
        }
        if let verdict = record.verdict { lines += ["", "  gate: version \(verdict.version) \(verdict.decision). \(verdict.reason)"] }
        return lines.prefix(max(1, height)).map { $0.printable(atMost: max(1, width - 1)) }
    }

    private static func usesModel(_ stage: String) -> Bool { ["fuse", "learn", "evaluate"].contains(stage) }

    private static func row(_ cells: [String]) -> String {
        let widths = [16, 10, 10, 8, 8]
        let aligned = zip(cells, widths).enumerated().map { index, cell in
            let gap = String(repeating: " ", count: max(0, cell.1 - cell.0.count))
            return index == 0 ? cell.0 + gap : gap + cell.0
        }
        return "  " + aligned.joined() + "  " + (cells.last ?? "")
    }

    /// The loss of the model and of the frozen baseline over the stream, as bars of eight heights on one scale.
    private static func course(_ points: [StreamPlot.Point], width: Int) -> [String] {
        let columns = max(1, min(width - 28, 100))
        let models = thinned(points.compactMap(\.model), to: columns), baselines = thinned(points.compactMap(\.frozen), to: columns)
        guard let highest = (models + baselines).max(), highest > 0 else { return [] }
        func bars(_ values: [Double]) -> String {
            String(values.map { value in Array("▁▂▃▄▅▆▇█")[min(7, max(0, Int(8 * value / highest)))] })
        }
        return [
            "", "  loss, 0 … " + String(format: "%.2f", highest), "  model            " + bars(models),
            "  frozen baseline  " + bars(baselines),
        ]
    }

    /// Means of neighbours, at most `count` of them; values that are not finite are left out.
    private static func thinned(_ values: [Double], to count: Int) -> [Double] {
        let finite = values.filter { $0.isFinite && $0 < 1e9 }
        guard finite.count > count else { return finite }
        return (0..<count).map { column in
            let part = finite[column * finite.count / count..<(column + 1) * finite.count / count]
            return part.reduce(0, +) / Double(part.count)
        }
    }
}
