import Ingest
import Journal
import Schema
import Signals
import Statistics

/// Writes the records of ingest's journal as a session directory.
///
/// Moments end in it where they ended in the graph, except by silence or by the time limit, which a replay finds by itself.
public struct SessionExport {
    private var writer: SessionWriter
    public private(set) var readings = 0, labels = 0, cuts = 0
    /// Records that a session has no line for: refused messages, what may not be stored, rewards, moments that ended by silence.
    public private(set) var others = 0

    /// - Throws: the error of `SessionWriter`.
    public init(to path: String) throws { writer = try SessionWriter(path: path) }

    /// Adds a record.
    /// - Throws: `Refusal` where it is no entry; the error of writing.
    public mutating func add(_ record: JournalRecord) throws {
        let (entry, payload) = try JournalEntry.read(record.body)
        switch entry.input {
        case .reading(let reading):
            readings += 1
            try writer.write(.reading(Self.event(reading, payload)))
        case .cut(let cut) where cut.kind != .end:
            cuts += 1
            // The session's time, where a moment has ended.
            let time = entry.after.last?.end ?? cut.stamp.time
            try writer.write(.cut(.init(time: time, session: cut.session, domain: cut.domain.isEmpty ? nil : cut.domain)))
        case .feedback(let feedback) where feedback.hasLabel:
            labels += 1
            let time = feedback.moment.split(separator: "/").last.flatMap { Int64($0) } ?? feedback.momentEnd
            var label = SessionEvent.Label(
                time: time, session: feedback.session, label: Int(feedback.label), classes: Int(feedback.classes),
                knownAt: max(time, feedback.knownAt))
            label.consent = ConsentClass(feedback.consent)?.rawValue
            try writer.write(.label(label))
        case .cut, .feedback, .refused, .withheld, nil: others += 1
        }
    }

    private static func event(_ reading: SensorReading, _ payload: [UInt8]) -> SessionEvent.Reading {
        var raw = RawReading(modality: reading.modality, format: reading.format, payload: payload)
        (raw.width, raw.height) = (Int(reading.width), Int(reading.height))
        (raw.channels, raw.sampleRate) = (Int(reading.channels), Int(reading.sampleRate))
        var event = SessionEvent.Reading(
            time: reading.stamp.time, session: reading.session, source: reading.stamp.source, modality: reading.modality,
            content: .payload(raw), endsMoment: reading.ends != .none, domain: reading.domain.isEmpty ? nil : reading.domain)
        event.consent = ConsentClass(reading.consent)?.rawValue
        return event
    }
}
