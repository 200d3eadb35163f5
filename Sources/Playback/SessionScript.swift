import Messaging
import Pipeline
import Recordings
import Schema
import Signals
import Timing

/// Turns the events of a recorded session into what a publisher sends: readings, the ends of moments, and labels when they become known.
///
/// A label decides how its moment ends, and a reading with the same time still belongs to the moment: so events that end moments wait until
/// the time increases. Where a reading cannot be sent and ended a moment, a cut ends it instead.
struct SessionScript {
    enum Publication {
        case reading(SessionEvent.Reading, RawReading, ends: CutKind)
        case cut(SessionEvent.Cut, CutKind)
        case label(SessionEvent.Label)
        /// A reading whose bytes cannot be loaded, and why.
        case refused(SessionEvent.Reading, SignalRefusal)
    }

    private let directory: SessionDirectory?
    private let maximumBytes: Int
    private var labels = DueLabels()
    /// The events that end moments at the latest time, one for each session, and the sessions whose moment has ended there.
    private var held: [SessionEvent] = []
    private var ended: Set<String> = []
    private var latest: Int64?
    private static let maximumHeld = 256

    /// - Parameters:
    ///   - directory: holds the files that readings name.
    ///   - maximumBytes: the greatest size of one reading.
    init(directory: SessionDirectory?, maximumBytes: Int) {
        self.directory = directory
        self.maximumBytes = maximumBytes
    }

    /// Whether the session's times start again with the event: it lies before the previous one. The caller then finishes the time before,
    /// and publishes what follows under a greater epoch, as a device that has started again does.
    func beginsAnew(with event: SessionEvent) -> Bool { latest.map { event.time < $0 } ?? false }

    /// Processes an event and returns what is to be published now.
    mutating func take(_ event: SessionEvent) -> [Publication] {
        var publications: [Publication] = []
        if event.time != latest || held.count >= Self.maximumHeld { publications += releaseAll() }
        latest = event.time
        publications += labels.due(at: event.time).map { .label($0) }
        let ends = held.firstIndex { $0.session == event.session }
        switch event {
        case .reading(let reading) where !reading.endsMoment: publications += loaded(reading, ends: .none)
        case .reading:
            if let ends, case .reading(let earlier) = held.remove(at: ends) { publications += loaded(earlier, ends: .none) }
            held.append(event)
        case .cut:
            if ends == nil, !ended.contains(event.session) { held.append(event) }
        case .label(let label):
            if let ends {
                publications += release(held.remove(at: ends), as: .labelRequest)
            } else if ended.insert(label.session).inserted {
                publications.append(.cut(.init(time: event.time, session: label.session, domain: label.domain), .labelRequest))
            }
            if label.knownAt <= label.time { publications.append(.label(label)) } else { labels.insert(label) }
        }
        return publications
    }

    /// What is left to be published when no event follows.
    mutating func finish() -> [Publication] { releaseAll() + labels.all().map { .label($0) } }

    private mutating func releaseAll() -> [Publication] {
        let publications = held.flatMap { release($0, as: nil) }
        held = []
        ended = []
        return publications
    }

    /// - Parameter kind: how the moment ends; nil: as is usual for the event.
    private mutating func release(_ event: SessionEvent, as kind: CutKind?) -> [Publication] {
        ended.insert(event.session)
        switch event {
        case .reading(let reading): return loaded(reading, ends: kind ?? .utteranceEnd)
        case .cut(let cut): return [.cut(cut, kind ?? .explicit)]
        case .label: return []
        }
    }

    private func loaded(_ reading: SessionEvent.Reading, ends: CutKind) -> [Publication] {
        do throws(SignalRefusal) {
            return [.reading(reading, try load(reading), ends: ends)]
        } catch {
            let refused = Publication.refused(reading, error)
            return ends == .none
                ? [refused] : [refused, .cut(.init(time: reading.time, session: reading.session, domain: reading.domain), ends)]
        }
    }

    private func load(_ reading: SessionEvent.Reading) throws(SignalRefusal) -> RawReading {
        let raw: RawReading
        if case .payload(let own) = reading.content {
            raw = own
        } else if let directory {
            raw = try directory.load(reading, atMost: maximumBytes)
        } else {
            throw SignalRefusal(.missingFile, "a reading that names a file outside a directory")
        }
        guard raw.payload.count <= maximumBytes else {
            throw SignalRefusal(.tooLarge, "\(raw.payload.count) bytes, at most \(maximumBytes) (messaging.frameBytes)")
        }
        return raw
    }
}

extension SessionScript.Publication {
    /// The message of a publisher called `source`, with its topic; nil for a refused reading.
    /// - Throws: `Refusal` for a name that is no valid topic component.
    func outgoing(from source: String) throws(Refusal) -> Outgoing? {
        switch self {
        case .refused: return nil
        case .reading(let reading, let raw, let ends):
            guard let topic = try? Topics.sensor(reading.modality, reading.source) else {
                throw Refusal(.badSource, String(reading.source.prefix(64)))
            }
            let message = SensorReading(reading, raw, ends: ends)
            return Outgoing(message, on: topic, payload: [Payload(raw.payload)])
        case .cut(let cut, let kind):
            guard let topic = try? Topics.cut(cut.session) else { throw Refusal(.badSession, String(cut.session.prefix(64))) }
            let message = Cut.with {
                $0.stamp = Self.stamp(at: cut.time, source: source)
                $0.session = cut.session
                $0.kind = kind
                $0.domain = cut.domain ?? ""
            }
            return Outgoing(message, on: topic)
        case .label(let label):
            guard let topic = try? Topics.feedback(label.session) else { throw Refusal(.badSession, String(label.session.prefix(64))) }
            let message = Feedback.with {
                $0.stamp = Self.stamp(at: label.time, source: source)
                $0.session = label.session
                $0.momentEnd = label.time
                $0.label = UInt32(clamping: label.label)
                $0.classes = UInt32(clamping: label.classes)
                $0.knownAt = label.knownAt
                $0.consent = Consent(named: label.consent)
            }
            return Outgoing(message, on: topic)
        }
    }

    /// The cutter's event for it, as ingest will create it; nil for labels and refused readings.
    func event(from source: String, epoch: UInt64) -> MomentCutter.Event? {
        var event: MomentCutter.Event
        switch self {
        case .reading(let reading, _, let ends):
            event = .init(session: reading.session, time: reading.time)
            event.domain = reading.domain ?? ""
            event.source = reading.source
            event.ends = ends == .none ? nil : ends
        case .cut(let cut, let kind):
            event = .init(session: cut.session, time: cut.time)
            event.domain = cut.domain ?? ""
            event.source = source
            event.isReading = false
            event.ends = kind
        case .label, .refused: return nil
        }
        event.epoch = epoch
        return event
    }

    private static func stamp(at time: Int64, source: String) -> Stamp {
        .with {
            $0.source = source; $0.time = time; $0.clock = "session"
        }
    }
}

/// Labels that become known after their moments end, ordered by that time.
struct DueLabels {
    private var waiting: [SessionEvent.Label] = []

    mutating func insert(_ label: SessionEvent.Label) {
        waiting.insert(label, at: firstIndex(after: label.knownAt))
    }

    /// Removes the labels that are known at `time`, in order.
    mutating func due(at time: Int64) -> [SessionEvent.Label] {
        guard let first = waiting.first, first.knownAt <= time else { return [] }
        let count = firstIndex(after: time)
        defer { waiting.removeFirst(count) }
        return Array(waiting.prefix(count))
    }

    mutating func all() -> [SessionEvent.Label] { due(at: .max) }

    /// The index of the first label that becomes known later.
    private func firstIndex(after time: Int64) -> Int {
        var low = 0, high = waiting.count
        while low < high {
            let middle = (low + high) / 2
            if waiting[middle].knownAt > time { high = middle } else { low = middle + 1 }
        }
        return low
    }
}
