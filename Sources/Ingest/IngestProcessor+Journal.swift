import Journal
import Messaging
import Pipeline
import Schema
import Wiring

/// The journal of accepted messages, and the acknowledgements to publishers when these are on disk.
///
/// Live, a message is passed on when its record is on disk. While the disk fails, what is not acknowledged is passed on at once, without a
/// place in the journal.
extension IngestProcessor {
    /// What ingest keeps where there is a journal.
    struct Journaling {
        let journal: any AppendableJournal
        var publishers: AcknowledgedPublishers
        var delivery: Delivery
        /// The newest boundary from before a restart.
        var restoredBoundary: (epoch: UInt64, ordinal: UInt64)?
        var drops = Drops()
        /// Failures of the disk that have been counted.
        var failures = 0
        /// Messages of acknowledged publishers: received, journaled, that came again, refused, not taken for lack of room or order.
        var counts = (received: UInt64(0), journaled: UInt64(0), repeated: UInt64(0), refused: UInt64(0), untaken: UInt64(0))

        init(_ journal: any AppendableJournal, _ settings: JournalSettings, isLive: Bool) {
            self.journal = journal
            delivery = Delivery(settings, from: journal.status.durable, isLive: isLive)
            publishers = AcknowledgedPublishers(capacity: settings.sources, credit: settings.credit, marks: journal.marks)
            for damage in journal.found {
                drops.count(.journalDamaged, because: "\(damage.segment) at \(damage.offset): \(damage.problem)")
            }
        }

        /// Whether so much waits to be on disk that publishers are to wait.
        var isSlow: Bool {
            let status = journal.status
            return status.failure != nil || !journal.hasRoom(for: status.waitingBytes + 1) || delivery.isFarBehind(status.accepted)
        }
    }

    /// A message of a publisher that is acknowledged.
    mutating func process(_ input: Input, of bytes: Int, from peer: Peer, at now: Instant) throws(Refusal) -> [Output] {
        guard journaling != nil else { throw Refusal(.unknownTopic, "there is no journal") }
        if case .greeting(let greeting) = input { return try greet(greeting.stamp, from: peer) }
        if case .explain = input { throw Refusal(.unknownTopic, "only readings, cuts and feedback are acknowledged") }
        journaling?.counts.received += 1
        if let answer = untaken(input.stamp, from: peer) { return answer }
        guard journaling?.journal.hasRoom(for: bytes + Self.entryBytes) == true else {
            journaling?.counts.untaken += 1
            return []  // it is sent again when it has not been acknowledged for a while
        }
        return journal(try take(input, at: now), of: input, from: peer, at: now)
    }

    /// Room for an entry's header beside its message, in bytes.
    private static let entryBytes = 1 << 16

    private mutating func greet(_ stamp: Stamp, from peer: Peer) throws(Refusal) -> [Output] {
        guard stamp.sequence > 0, TopicComponent.isValid(stamp.source) else {
            throw Refusal(.unstamped, "a greeting needs a source and a sequence number from 1")
        }
        guard journaling?.publishers.greet(stamp, from: peer) == true else { return problem(.staleEpoch, with: stamp, peer) }
        let isSlow = journaling?.isSlow ?? true
        return answers(journaling?.publishers.answer(to: stamp.source, again: true, isSlow: isSlow), to: stamp.source)
    }

    /// The answer to a message that is not the next of its publisher; nil where it is.
    private mutating func untaken(_ stamp: Stamp, from peer: Peer) -> [Output]? {
        guard let place = journaling?.publishers.place(of: stamp) else { return [] }
        let isSlow = journaling?.isSlow ?? true
        switch place {
        case .next: return nil
        case .repeated:
            journaling?.counts.repeated += 1
            return answers(journaling?.publishers.answer(to: stamp.source, isSlow: isSlow), to: stamp.source)
        case .early:
            journaling?.counts.untaken += 1
            return answers(journaling?.publishers.answer(to: stamp.source, again: true, isSlow: isSlow), to: stamp.source)
        case .unknown:
            journaling?.counts.untaken += 1
            return problem(.unknownSource, with: stamp, peer)
        case .stale:
            journaling?.counts.untaken += 1
            return problem(.staleEpoch, with: stamp, peer)
        }
    }

    private func answers(_ answer: (Acknowledgement, Peer)?, to source: String) -> [Output] {
        guard let answer, let topic = try? Topics.acknowledgement(source) else { return [] }  // a source that is none was refused
        return [.acknowledgement(answer.0, to: answer.1, on: topic)]
    }

    private func problem(_ reason: Reason, with stamp: Stamp, _ peer: Peer) -> [Output] {
        let answer = Acknowledgement.with { ($0.epoch, $0.problem) = (stamp.epoch, reason.rawValue) }
        return answers((answer, peer), to: stamp.source)
    }

    /// A refused message has its place in its publisher's sequence: the acknowledgement reports it, and it is not sent again.
    public mutating func refuse(_ message: WireMessage, because refusal: Refusal, at now: Instant) -> [Output] {
        guard journaling != nil, let peer = message.peer, let stamp = try? message.stamp() else { return [] }
        guard TopicComponent.isValid(stamp.source), journaling?.publishers.place(of: stamp) == .next else { return [] }
        let entry = JournalEntry.with {
            $0.arrived = now.nanoseconds
            ($0.refused.sequence, $0.refused.reason) = (stamp.sequence, refusal.reason.rawValue)
        }
        guard let ordinal = append(entry, .refused, payload: nil, stamp) else { return [] }
        journaling?.counts.refused += 1
        journaling?.publishers.take(stamp, from: peer, ordinal: ordinal, refusedBecause: refusal.reason)
        return acknowledge()
    }

    /// Writes what came of an input to the journal, and sets its ordinal in what is passed on.
    mutating func journal(_ outputs: [Output], of input: Input?, from peer: Peer?, at now: Instant) -> [Output] {
        guard let journaling, input != nil || !outputs.isEmpty else { return outputs }
        if case .explain = input { return outputs }
        if input != nil, peer == nil, journaling.journal.status.failure != nil {
            self.journaling?.drops.count(.unjournaled)
            return outputs
        }
        var entry = JournalEntry(), type = ReadingRecord.silence
        entry.arrived = now.nanoseconds
        switch input {
        case .reading(let reading, _): (entry.reading, type) = (reading, .reading)
        case .cut(let cut): (entry.cut, type) = (cut, .cut)
        case .feedback(let feedback): (entry.feedback, type) = (feedback, .feedback)
        case .explain, .greeting, .acknowledged, .coverage, nil: break
        }
        var isBefore = type == .reading
        for output in outputs { entry.note(output, isBefore: &isBefore) }
        entry.open = journaling.delivery.oldestOpen
        let stamp = peer == nil ? nil : input?.stamp
        // As it is passed on: without private parts.
        var payload = outputs.lazy.compactMap(\.payload).first
        let consent = type == .feedback ? entry.feedback.consent : type == .reading ? entry.reading.consent : .unspecified
        if !consent.isKept { (entry, type, payload) = (entry.withholding(consent), .withheld, nil) }
        guard let ordinal = append(entry, type, payload: payload, stamp) else {
            self.journaling?.drops.count(.unjournaled)
            return outputs
        }
        noteOpen(entry, ordinal)
        if let stamp, let peer {
            self.journaling?.counts.journaled += 1
            self.journaling?.publishers.take(stamp, from: peer, ordinal: ordinal)
        }
        let first = entry.after.first?.ordinal ?? .max
        self.journaling?.delivery.hold(outputs.map { $0.journaled(ordinal, firstAfter: first) }, until: ordinal)
        return deliver(at: now) + acknowledge()
    }

    private mutating func append(_ entry: JournalEntry, _ type: ReadingRecord, payload: Payload?, _ stamp: Stamp?) -> UInt64? {
        guard let body = try? entry.body(payload: payload) else { return nil }  // a decoded message can be encoded
        let key = stamp.map { Array($0.source.utf8) } ?? []
        return journaling?.journal.append(
            JournalRecord(type: type.rawValue, key: key, mark: stamp.map(AcknowledgedPublishers.mark) ?? [], body: body))
    }

    /// Tells publishers what has come to disk, and counts failures.
    mutating func acknowledge() -> [Output] {
        guard let status = journaling?.journal.status else { return [] }
        if let known = journaling?.failures, status.failures > known {
            journaling?.failures = status.failures
            journaling?.drops.count(.journalFailed, because: status.failure ?? "it has recovered")
        }
        let isSlow = status.failure != nil
        let settled = journaling?.publishers.settle(upTo: status.durable, isSlow: isSlow) ?? []
        return settled.flatMap { answers(($0.answer, $0.peer), to: $0.source) }
    }

    /// Ends the journal: what waits is brought to disk, and acknowledged.
    public mutating func finish(at now: Instant) -> [Output] {
        journaling?.journal.close()
        return deliver(at: now) + acknowledge()
    }

    /// The journal's part of the status.
    func addJournal(to telemetry: inout Telemetry) {
        guard let journaling else { return }
        let status = journaling.journal.status, counts = journaling.counts
        telemetry.drops.add(journaling.drops)
        telemetry.drops.add(journaling.delivery.drops)
        telemetry.gauges.merge([
            "journalAccepted": Double(status.accepted), "journalDurable": Double(status.durable), "journalBytes": Double(status.bytes),
            "journalWaiting": Double(status.waitingRecords), "journalFailing": status.failure == nil ? 0 : 1,
            "acknowledgedReceived": Double(counts.received), "acknowledgedJournaled": Double(counts.journaled),
            "acknowledgedRepeated": Double(counts.repeated), "acknowledgedRefused": Double(counts.refused),
            "acknowledgedUntaken": Double(counts.untaken), "acknowledgedSources": Double(journaling.publishers.count),
            "journalRepeated": Double(journaling.delivery.repeated),
        ]) { $1 }
    }
}

extension JournalEntry {
    /// Adds what an output says: a boundary, once for all modalities, or how the reading is passed on.
    /// - Parameter isBefore: whether the reading has not been passed on yet; the boundaries until then come before it.
    fileprivate mutating func note(_ output: IngestProcessor.Output, isBefore: inout Bool) {
        switch output {
        case .sample(let sample, _, _):
            switch sample.content {
            case .reading(let passed): (reading, timeline, isBefore) = (passed, sample.timeline, false)
            case .boundary(let boundary) where before.last?.ordinal == boundary.ordinal || after.last?.ordinal == boundary.ordinal: break
            case .boundary(let boundary): if isBefore { before.append(boundary) } else { after.append(boundary) }
            case nil: break
            }
        case .feedback(let passed, _): feedback = passed
        case .explain, .acknowledgement: break
        }
    }
}

extension IngestProcessor.Output {
    /// The bytes of a reading that is passed on.
    fileprivate var payload: Payload? {
        if case .sample(_, _, let payload) = self { payload.first } else { nil }
    }

    /// With the ordinal of its record. A moment that ends before the record's reading reaches up to the record before.
    func journaled(_ ordinal: UInt64, firstAfter boundary: UInt64) -> Self {
        switch self {
        case .sample(var sample, let topic, let payload):
            switch sample.content {
            case .boundary(var one):
                one.journal = one.ordinal >= boundary ? ordinal : ordinal - 1
                sample.boundary = one
            default: sample.journal = ordinal
            }
            return .sample(sample, to: topic, payload: payload)
        case .feedback(var feedback, let topic):
            feedback.journal = ordinal
            return .feedback(feedback, to: topic)
        case .explain, .acknowledgement: return self
        }
    }
}
