import Applications
import Recordings
import Signals

/// A record of the MIT-BIH database: every beat a moment with its window of both leads; the label, known some seconds later, is its kind.
struct Heartbeats: Importer {
    static let summary = "an electrocardiogram of the MIT-BIH database (PATH.hea, .dat, .atr): the kind of each beat"

    /// Seconds after which a beat's kind is known.
    private static let delay = 5.0

    private let record: HeartRecord

    init(path: String) throws { record = try HeartRecord(path: path.hasSuffix(".hea") ? String(path.dropLast(4)) : path) }

    var settings: [String] {
        let length = 2 * HeartWindow.points + HeartWindow.intervals
        return [
            "signals.vector.length=\(length)",
            "model.senses=[{name: vector, rows: 1, columns: \(length), embedding: 16, hidden: 128}]",
        ]
    }

    func write(to output: inout SessionOutput) throws {
        let kinds = Set(record.beats.map(\.kind)).sorted()
        for (beat, window) in HeartWindow.all(record) {
            let seen = Double(beat.sample) / record.rate + HeartWindow.after, end = time(seen)
            try output.write(
                .reading(
                    .init(
                        time: end, session: "ecg", source: "leads", modality: "vector",
                        content: .payload(RawReading(vector: window.shape + window.intervals)), endsMoment: true)))
            try output.write(
                .label(
                    .init(
                        time: end, session: "ecg", label: kinds.firstIndex(of: beat.kind) ?? 0, classes: kinds.count,
                        knownAt: time(seen + Self.delay))))
        }
    }
}
