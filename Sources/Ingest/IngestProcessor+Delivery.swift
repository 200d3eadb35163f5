import Journal
import Messaging
import Pipeline
import Schema
import Timing
import Wiring

/// Passing on what is in the journal: when it is on disk, after a restart, and again where fuse has not received it.
extension IngestProcessor {
    /// What fuse has received and what it asks for.
    mutating func follow(_ coverage: Coverage, at now: Instant) -> [Output] {
        guard let journal = journaling?.journal else { return [] }
        journaling?.delivery.follow(coverage, at: now, from: journal)
        return deliver(at: now)
    }

    /// Passes on what has come to disk, or repeats what is wanted.
    mutating func deliver(at now: Instant) -> [Output] {
        guard let durable = journaling?.journal.status.durable else { return [] }
        let first = journaling?.delivery.release(upTo: durable, at: now) ?? []
        let topics = topics
        return first + (journaling?.delivery.passOnAgain(at: now, upTo: durable) { Self.outputs(of: $0, to: topics) } ?? [])
    }

    /// The messages of a record, as they were passed on first.
    private static func outputs(of record: JournalRecord, to topics: [(modality: String, topic: Topic<Sample>)]) -> [Output] {
        guard let (entry, payload) = try? JournalEntry.read(record.body) else { return [] }  // of a type that is none of ingest's
        func samples(_ boundary: Boundary, reaching: UInt64) -> [Output] {
            var boundary = boundary
            boundary.journal = reaching
            let sample = Sample.with { $0.boundary = boundary }
            return topics.map { .sample(sample, to: $0.topic, payload: []) }
        }
        var all = entry.before.flatMap { samples($0, reaching: record.ordinal - 1) }
        switch entry.input {
        case .reading(let reading):
            guard let topic = topics.first(where: { $0.modality == reading.modality })?.topic else { break }
            let sample = Sample.with { ($0.reading, $0.timeline, $0.journal) = (reading, entry.timeline, record.ordinal) }
            all.append(.sample(sample, to: topic, payload: [Payload(payload)]))
        case .feedback(var feedback):
            feedback.journal = record.ordinal
            if let topic = try? Topics.feedback(feedback.session) { all.append(.feedback(feedback, to: topic)) }
        case .withheld(let withheld) where withheld.modality.isEmpty:
            // Nothing is left of it but its place.
            let feedback = Feedback.with {
                ($0.session, $0.consent, $0.journal) = (withheld.session, withheld.consent, record.ordinal)
                $0.givenUp = Reason.withheld.rawValue
            }
            if let topic = try? Topics.feedback(withheld.session) { all.append(.feedback(feedback, to: topic)) }
        case .withheld(let withheld):
            guard let topic = topics.first(where: { $0.modality == withheld.modality })?.topic else { break }
            let sample = Sample.with {
                ($0.reading.session, $0.reading.modality, $0.reading.consent) = (withheld.session, withheld.modality, withheld.consent)
                ($0.timeline, $0.journal, $0.givenUp) = (entry.timeline, record.ordinal, Reason.withheld.rawValue)
            }
            all.append(.sample(sample, to: topic, payload: []))
        case .cut, .refused, nil: break
        }
        return all + entry.after.flatMap { samples($0, reaching: record.ordinal) }
    }

    // MARK: Moments that have not ended

    /// After a restart: goes on with the moments whose readings are in the journal and that have not ended.
    mutating func restore(at now: Instant) {
        guard cutsInSilence, let journal = journaling?.journal, journal.recovered > 0 else { return }
        do {
            var newest = journal.reader(after: journal.recovered - 1)
            guard case .record(let last)? = try newest.next(), let entry = try? JournalEntry.read(last.body).entry else { return }
            var records = journal.reader(after: (entry.open == 0 ? last.ordinal : entry.open) - 1)
            while let one = try records.next() {
                guard case .record(let record) = one, let entry = try? JournalEntry.read(record.body).entry else { continue }
                restore(entry, record.ordinal, at: now)
            }
        } catch {
            journaling?.drops.count(.journalFailed, because: error.description)
        }
    }

    private mutating func restore(_ entry: JournalEntry, _ ordinal: UInt64, at now: Instant) {
        for boundary in entry.before { restore(boundary) }
        if case .reading(let reading) = entry.input {
            var event = MomentCutter.Event(session: reading.session, time: reading.stamp.time)
            (event.domain, event.source, event.epoch) = (reading.domain, reading.stamp.source, reading.stamp.epoch)
            event.arrived = min(entry.arrived, now.nanoseconds)  // the host may have been started again
            cutter.restore(event, timeline: entry.timeline)
            note(reading.consent, in: reading.session, entry.timeline)
        }
        if case .withheld(let withheld) = entry.input, !withheld.modality.isEmpty {
            var event = MomentCutter.Event(session: withheld.session, time: withheld.time)
            event.arrived = min(entry.arrived, now.nanoseconds)
            cutter.restore(event, timeline: entry.timeline)
            note(withheld.consent, in: withheld.session, entry.timeline)
        }
        for boundary in entry.after { restore(boundary) }
        noteOpen(entry, ordinal)
    }

    private mutating func restore(_ boundary: Boundary) {
        forgetConsent(of: boundary)
        cutter.restore(boundary)
        journaling?.restoredBoundary = (boundary.epoch, boundary.ordinal)
    }

    /// Notes which readings wait for the ends of their moments after a record.
    mutating func noteOpen(_ entry: JournalEntry, _ ordinal: UInt64) {
        for boundary in entry.before { journaling?.delivery.noteEnd(of: boundary) }
        if case .reading(let reading) = entry.input {
            journaling?.delivery.noteReading(ordinal, in: reading.session, entry.timeline)
        }
        if case .withheld(let withheld) = entry.input, !withheld.modality.isEmpty {
            journaling?.delivery.noteReading(ordinal, in: withheld.session, entry.timeline)
        }
        for boundary in entry.after where !cutter.isOpen(boundary.session, boundary.timeline) {
            journaling?.delivery.noteEnd(of: boundary)
        }
    }

    /// Epoch and ordinal of the newest boundary, which may be from before a restart; nil where there is none.
    var newestBoundary: (epoch: UInt64, ordinal: UInt64)? {
        guard let journaling else { return (0, cutter.newestBoundary) }
        return cutter.newestBoundary > 0 ? (cutter.epoch, cutter.newestBoundary) : journaling.restoredBoundary
    }
}
