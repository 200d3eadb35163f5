import Presentation
import Schema
import Statistics
import StrictJSON

extension RunRecord {
    /// The file of a run's record in its directory.
    public static func file(in directory: String) -> String { directory + "/record.json" }

    /// What the gateway's page shows of the run, in the form of its `/api/state`.
    public var page: JSON {
        .object([
            "stages": .object(statuses.mapValues(\.json)), "publications": .array(update.map { [$0.json] } ?? []),
            "triggers": .array(newestLines.map(\.json)), "scores": summary?.json ?? .null, "course": .array(course),
            "verdict": verdict.map { ["decision": .string($0.decision), "reason": .string($0.reason), "version": .count($0.version)] }
                ?? .null,
        ])
    }

    /// The losses over the stream: at most `courseLength` points, each the mean of neighbours.
    private var course: [JSON] {
        let scored = points.filter { $0.model != nil || $0.frozen != nil },
            size = max(1, (scored.count + Self.courseLength - 1) / Self.courseLength)
        return stride(from: 0, to: scored.count, by: size).map { start in
            let part = scored[start..<min(start + size, scored.count)]
            func mean(_ loss: KeyPath<StreamPlot.Point, Double?>) -> JSON {
                let values = part.compactMap { $0[keyPath: loss] }.filter(\.isFinite)
                return values.isEmpty ? .null : .finite(values.reduce(0, +) / Double(values.count))
            }
            return ["moments": .count(part.last?.ordinal ?? 0), "model": mean(\.model), "frozen": mean(\.frozen)]
        }
    }

    private static let courseLength = 240
}
