import Pipeline
import Schema
import Statistics

/// How far each of ingest's topics has been received: what comes of a topic's samples is taken in the order of ingest's journal, each once.
/// What follows a missing one is not taken; ingest is asked for it, and everything after it comes again.
struct ReadingReception {
    /// What a message is, to what was received before.
    enum Outcome {
        case next
        /// It was taken before.
        case again
        /// One before it is missing.
        case early
        /// It would be next, and there is no room for it.
        case full
    }

    fileprivate struct Stream {
        let name: String
        /// Ordinal of the record up to which nothing is missing.
        var received: UInt64
        /// A record of which some messages have been received: its ordinal and the part that is next.
        var partial: (ordinal: UInt64, next: UInt32)?
        /// A record that is known to be there.
        var expected: UInt64
        /// Whether a message has come before one that is missing.
        var isMissing = false
        /// When a message was taken last, or was first known to be missing.
        var progressed: Instant
    }

    private var streams: [Stream]
    private let patience: Duration
    /// Whether it is not known yet what ingest has.
    private var isBeginning = true
    private var asked: Instant?
    private var reported: Instant?
    /// Messages taken that were asked for, since the last report.
    private var repeated = 0
    /// How often ingest was asked, and readings of which nothing came.
    private(set) var questions = 0
    /// Messages that were not taken because there was no room for them.
    private(set) var heldBack = 0

    /// Without progress for this long, in seconds, ingest is asked again; at the start, where it may not have subscribed yet, sooner.
    private static let period = Duration.seconds(1), firstPeriod = Duration.milliseconds(200)
    /// Messages that were asked for after which fuse reports to ingest, so that it goes on.
    private static let reportEvery = 16

    /// - Parameters:
    ///   - names: of the streams, modalities and feedback.
    ///   - received: the ordinal from which on they are received.
    ///   - patience: without progress for so long the next reading is given up.
    init(_ names: [String], after received: UInt64, patience: Duration) {
        streams = names.map { Stream(name: $0, received: received, expected: received, progressed: Instant(nanoseconds: 0)) }
        self.patience = patience
    }

    func follows(_ name: String) -> Bool { streams.contains { $0.name == name } }

    /// Follows a stream no longer: its messages have no places.
    mutating func leave(_ name: String) { streams.removeAll { $0.name == name } }

    /// Ordinal up to which nothing is missing on any stream.
    var received: UInt64 { streams.map(\.received).min() ?? 0 }
    /// Streams on which something is missing.
    var missing: Int { streams.count(where: \.isMissing) }

    /// Notes a message. Streams that are unknown are not followed.
    /// - Parameter isRoom: false where fuse cannot take it now: it is asked for again later, like one that is missing.
    mutating func receive(_ place: JournalPlace, on name: String, isRoom: Bool = true, at now: Instant) -> Outcome {
        guard let index = streams.firstIndex(where: { $0.name == name }) else { return .next }
        let outcome = streams[index].receive(place, isRoom: isRoom, at: now)
        if outcome == .full { heldBack += 1 }
        if outcome == .next {
            isBeginning = false
            if place.again { repeated += 1 }
        }
        return outcome
    }

    /// Notes that a boundary has come with a record: it comes on the streams of all modalities, after all feedback up to an ordinal.
    mutating func expect(_ ordinal: UInt64, feedback: UInt64, at now: Instant) {
        for index in streams.indices {
            let isFeedback = streams[index].name == JournaledReadings.feedback
            streams[index].expect(isFeedback ? feedback : ordinal, at: now)
            if isFeedback, streams[index].received >= feedback { streams[index].received = max(streams[index].received, ordinal) }
        }
    }

    /// What is reported to ingest now; nil where it need not be.
    mutating func report(at now: Instant) -> Coverage? {
        let period = isBeginning ? Self.firstPeriod : Self.period
        for index in streams.indices where streams[index].received < streams[index].expected {
            if now - streams[index].progressed >= Self.period { streams[index].isMissing = true }
        }
        let stuck = streams.filter(\.isMissing)
        let asks = (isBeginning || !stuck.isEmpty) && asked.map { now - $0 >= period } ?? true
        guard asks || repeated >= Self.reportEvery || reported.map({ now - $0 >= Self.period }) ?? true else { return nil }
        if asks {
            asked = now
            questions += 1
        }
        (reported, repeated) = (now, 0)
        return .with { coverage in
            coverage.streams = streams.map { stream in
                .with { ($0.name, $0.received) = (stream.name, stream.received) }
            }
            coverage.asks = asks
            if asks, let index = streams.firstIndex(where: { $0.isMissing && now - $0.progressed >= patience }) {
                coverage.passesOver = streams[index].name
                streams[index].progressed = now
            }
        }
    }
}

extension ReadingReception.Stream {
    fileprivate mutating func receive(_ place: JournalPlace, isRoom: Bool, at now: Instant) -> ReadingReception.Outcome {
        expect(place.ordinal, at: now)
        if place.ordinal <= received { return .again }
        if let partial, partial.ordinal == place.ordinal, place.part < partial.next { return .again }
        let isNext = partial.map { $0.ordinal == place.ordinal && $0.next == place.part } ?? (place.previous <= received && place.part == 0)
        guard isNext else {
            if !isMissing { (isMissing, progressed) = (true, now) }
            return .early
        }
        guard isRoom else {
            (isMissing, progressed) = (true, now)
            return .full
        }
        if place.part < place.parts.clampedSubtracting(1) {
            partial = (place.ordinal, place.part + 1)
        } else {
            (received, partial) = (place.ordinal, nil)
        }
        (isMissing, progressed) = (false, now)
        return .next
    }

    fileprivate mutating func expect(_ ordinal: UInt64, at now: Instant) {
        guard ordinal > expected else { return }
        if received >= expected { progressed = now }
        expected = ordinal
    }
}
