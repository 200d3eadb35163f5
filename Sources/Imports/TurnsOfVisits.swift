import Applications
import Recordings
import Signals

/// Visits of ACI-Bench: each a session, each turn of its dialogue a moment, from the one who speaks. There are no labels: the words
/// themselves are predicted.
struct TurnsOfVisits: Importer {
    static let summary = "whole visits to a doctor of ACI-Bench (dialogue, note): what is said next"

    private let visits: [RecordedVisit]

    init(path: String) throws { visits = try RecordedVisit.read(path: path) }

    var settings: [String] {
        let longest = visits.flatMap(\.turns).map(\.text.utf8.count).max() ?? 0
        return ["signals.text.maximumBytes=\(max(4096, longest))"]
    }

    /// Seconds between two turns, and the more between two visits.
    private static let interval = 5.0, pause = 60.0

    func write(to output: inout SessionOutput) throws {
        var now = 0.0
        for (index, visit) in visits.enumerated() {
            for turn in visit.turns {
                now += Self.interval
                try output.write(
                    .reading(
                        .init(
                            time: time(now), session: "visit-\(index + 1)", source: turn.speaker, modality: "text",
                            content: .payload(RawReading(text: turn.text)), endsMoment: true)))
            }
            now += Self.pause
        }
    }
}
