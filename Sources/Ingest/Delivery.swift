import Journal
import Messaging
import Pipeline
import Schema
import Statistics
import Wiring

/// What was journaled, on its way to the graph. Every record is passed on when it is on disk; and again, from the journal, where fuse says
/// that it has not received it.
///
/// Each message has its place on its topic, so that fuse recognises what is missing or comes again. While records are repeated, nothing else
/// is passed on: what comes meanwhile is read from the journal in its turn.
struct Delivery {
    typealias Output = IngestProcessor.Output

    private struct Repetition {
        var records: any JournalSequence
        /// Read, and not on disk yet.
        var next: JournalRecord?
        /// By stream, what fuse has already.
        let received: [String: UInt64]
        /// A stream whose first reading is given up.
        var passesOver: String?
        /// Ordinal of the newest record that was read.
        var position: UInt64 = 0
        /// By stream, the records that fuse has not confirmed.
        var unconfirmed: [String: [(ordinal: UInt64, bytes: Int)]] = [:]
        var progressed: Instant
    }

    private struct Session: Hashable {
        var name: String
        var timeline: UInt64
    }

    private let isLive: Bool
    private let patience: Duration
    private let farBehind: UInt64
    /// The newest record when this process began.
    private let start: UInt64
    /// Records that are not on disk yet, in the order of their ordinals.
    private var held: [(ordinal: UInt64, outputs: [Output])] = []
    /// By stream, the newest record that was passed on there.
    private var previous: [String: UInt64] = [:]
    private var repetition: Repetition?
    /// The newest record that was held and is left to the repetition.
    private var left: UInt64 = 0
    private var hasHeard = false
    /// By session, the oldest reading of a moment that has not ended.
    private var open: [Session: UInt64] = [:]
    /// Records that were passed on again.
    private(set) var repeated: UInt64 = 0
    private(set) var drops = Drops()

    /// The stream of feedback; other streams are modalities.
    static let feedback = "feedback"
    /// The most records, and bytes of readings, that are passed on again and not confirmed.
    private static let mostUnconfirmed = 128, mostUnconfirmedBytes = 4 << 20
    /// Records that are read at once.
    private static let batch = 32

    init(_ settings: JournalSettings, from start: UInt64, isLive: Bool) {
        (self.start, self.isLive) = (start, isLive)
        patience = .seconds(clamping: settings.patience)
        farBehind = UInt64(settings.waitingRecords)
    }

    /// Whether records are repeated, and fuse has confirmed enough of them for more.
    var isRepeating: Bool { repetition.map { isRoom($0) } ?? false }

    /// Whether the graph is so far behind the journal that publishers are to wait.
    func isFarBehind(_ accepted: UInt64) -> Bool {
        repetition.map { $0.position > 0 && accepted.clampedSubtracting($0.position) > farBehind } ?? false
    }

    // MARK: Moments that have not ended

    /// Ordinal of the oldest reading whose moment has not ended; 0 where there is none.
    var oldestOpen: UInt64 { open.values.min() ?? 0 }

    mutating func noteReading(_ ordinal: UInt64, in session: String, _ timeline: UInt64) {
        if open[Session(name: session, timeline: timeline)] == nil { open[Session(name: session, timeline: timeline)] = ordinal }
    }

    mutating func noteEnd(of boundary: Boundary) { open[Session(name: boundary.session, timeline: boundary.timeline)] = nil }

    // MARK: The first time

    /// Keeps a record's messages until it is on disk.
    mutating func hold(_ outputs: [Output], until ordinal: UInt64) {
        if !outputs.isEmpty { held.append((ordinal, outputs)) }
    }

    /// What is on disk now, or in lockstep everything.
    mutating func release(upTo durable: UInt64, at now: Instant) -> [Output] {
        let ready = held.prefix { $0.ordinal <= durable || !isLive }
        guard !ready.isEmpty else { return [] }
        defer { held.removeFirst(ready.count) }
        if repetition != nil {
            left = ready[ready.count - 1].ordinal
            return []
        }
        return ready.flatMap { place($0.outputs, of: $0.ordinal, again: false, at: now) }
    }

    /// Gives the messages of a record their places.
    private mutating func place(_ outputs: [Output], of ordinal: UInt64, again: Bool, at now: Instant) -> [Output] {
        var parts: [String: UInt32] = [:], placed: [String: UInt32] = [:]
        for output in outputs { if let stream = output.stream { parts[stream, default: 0] += 1 } }
        let before = previous
        for stream in parts.keys { previous[stream] = ordinal }
        return outputs.map { output in
            guard let stream = output.stream else { return output }
            defer { placed[stream, default: 0] += 1 }
            let place = JournalPlace.with {
                ($0.ordinal, $0.previous, $0.again) = (ordinal, before[stream] ?? start, again)
                ($0.part, $0.parts) = (placed[stream] ?? 0, parts[stream] ?? 1)
            }
            return output.placed(place, afterFeedback: before[Self.feedback] ?? start, at: now)
        }
    }

    // MARK: Again

    /// Notes how far fuse has received, and begins to repeat what follows where it asks for that, or this is the first that it publishes.
    mutating func follow(_ coverage: Coverage, at now: Instant, from journal: any AppendableJournal) {
        guard isLive else { return }
        let received = Dictionary(coverage.streams.map { ($0.name, $0.received) }) { min($0, $1) }
        for (stream, ordinal) in received {
            guard let records = repetition?.unconfirmed[stream] else { continue }
            let confirmed = records.prefix { $0.ordinal <= ordinal }.count
            if confirmed > 0 { repetition?.progressed = now }
            repetition?.unconfirmed[stream]?.removeFirst(confirmed)
        }
        guard coverage.asks || !hasHeard, let first = received.values.min() else { return }
        hasHeard = true
        if repetition == nil { left = 0 }
        repetition = Repetition(
            records: journal.reader(after: first), received: received,
            passesOver: coverage.passesOver.isEmpty ? nil : coverage.passesOver, position: first, progressed: now)
        previous.merge(received) { $1 }
    }

    private func isRoom(_ repetition: Repetition) -> Bool {
        let all = repetition.unconfirmed.values
        return all.reduce(0) { $0 + $1.count } < Self.mostUnconfirmed
            && all.reduce(0) { $0 + $1.reduce(0) { $0 + $1.bytes } } < Self.mostUnconfirmedBytes
    }

    /// The next records that are repeated, as many as may be.
    /// - Parameter outputs: the messages of a record.
    mutating func passOnAgain(at now: Instant, upTo durable: UInt64, outputs: (JournalRecord) -> [Output]) -> [Output] {
        guard repetition != nil else { return [] }
        var all: [Output] = []
        for _ in 0..<Self.batch {
            guard let repetition, isRoom(repetition) else { break }
            guard let record = nextRecord(upTo: durable) else {
                end()
                break
            }
            all += passOnAgain(outputs(record), of: record, at: now)
        }
        if let repetition, now - repetition.progressed > patience {
            // Something takes nothing any more. It is recognised later that records are missing.
            left = .max
            end(at: durable)
        }
        return all
    }

    private mutating func passOnAgain(_ outputs: [Output], of record: JournalRecord, at now: Instant) -> [Output] {
        guard let repetition else { return [] }
        var wanted = outputs.filter { ($0.stream.flatMap { repetition.received[$0] } ?? .max) < record.ordinal }
        guard !wanted.isEmpty else { return [] }
        repeated += 1
        if let stream = repetition.passesOver, let index = wanted.firstIndex(where: { $0.isReading(of: stream) }) {
            wanted[index] = wanted[index].givenUp(.passedOver)
            self.repetition?.passesOver = nil
            drops.count(.passedOver)
        }
        for stream in Set(wanted.compactMap(\.stream)) {
            self.repetition?.unconfirmed[stream, default: []].append((record.ordinal, record.body.count))
        }
        return place(wanted, of: record.ordinal, again: true, at: now)
    }

    /// The next record that is on disk; nil where there is none.
    private mutating func nextRecord(upTo durable: UInt64) -> JournalRecord? {
        do {
            while repetition != nil {
                if let next = repetition?.next {
                    guard next.ordinal <= durable else { return nil }
                    repetition?.next = nil
                    repetition?.position = next.ordinal
                    return next
                }
                switch try repetition?.records.next() {
                case .record(let record): repetition?.next = record
                case .damage(let damage):
                    drops.count(.journalDamaged, because: "\(damage.segment) at \(damage.offset): \(damage.problem)")
                case nil: return nil
                }
            }
        } catch {
            drops.count(.journalFailed, because: error.description)
        }
        return nil
    }

    /// From here on records are passed on as they come to disk.
    /// - Parameter durable: where some were not repeated, the newest that is on disk: that records are missing is recognised by it.
    private mutating func end(at durable: UInt64? = nil) {
        let position = repetition?.position ?? 0
        repetition = nil
        held.removeAll { $0.ordinal <= position }
        if left > position { for stream in previous.keys { previous[stream] = durable ?? left } }
        left = 0
    }
}

extension IngestProcessor.Output {
    /// The topic on which fuse receives in order what comes of it; nil where it does not.
    var stream: String? {
        switch self {
        case .sample(_, let topic, _): Topics.sample.components(of: topic.name)?.first
        case .feedback: Delivery.feedback
        case .explain, .acknowledgement: nil
        }
    }

    fileprivate func isReading(of modality: String) -> Bool {
        guard case .sample(let sample, _, _) = self, case .reading(let reading) = sample.content else { return false }
        return reading.modality == modality
    }

    /// The same without its reading's payload.
    fileprivate func givenUp(_ reason: Reason) -> Self {
        guard case .sample(var sample, let topic, _) = self else { return self }
        sample.givenUp = reason.rawValue
        return .sample(sample, to: topic, payload: [])
    }

    /// With its place. How long a reading has waited for an extractor is counted from when it is passed on.
    fileprivate func placed(_ place: JournalPlace, afterFeedback: UInt64, at now: Instant) -> Self {
        switch self {
        case .sample(var sample, let topic, let payload):
            (sample.place, sample.arrived) = (place, now.nanoseconds)
            if case .boundary(var boundary) = sample.content {
                boundary.feedbackJournal = afterFeedback
                sample.boundary = boundary
            }
            return .sample(sample, to: topic, payload: payload)
        case .feedback(var feedback, let topic):
            feedback.previous = place.previous
            return .feedback(feedback, to: topic)
        case .explain, .acknowledgement: return self
        }
    }
}
