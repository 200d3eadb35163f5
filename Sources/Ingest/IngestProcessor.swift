import Journal
import Messaging
import Pipeline
import Privacy
import Schema
import Statistics
import Timing
import Wiring

/// Validates and orders the graph's input: checks what publishers send, passes it on in one order, and marks where moments end.
///
/// Subscribes to publishers' `sensor.*`, `cut.*`, `feedback.*` and `explain.*`; publishes `sample.<modality>/`, `feedback.<session>/` and
/// `explain.<session>/`.
public struct IngestProcessor: Processor {
    /// What publishers send.
    public enum Input: Inbound, Sendable {
        case reading(SensorReading, payload: WireMessage)
        case cut(Cut)
        case feedback(Feedback)
        case explain(ExplainRequest)
        /// An acknowledged publisher begins.
        case greeting(Greeting)
        /// A message of such a publisher, of this many bytes.
        indirect case acknowledged(Input, from: Peer, bytes: Int)
        /// How far fuse has received what is passed on.
        case coverage(Coverage)

        public init(_ message: WireMessage) throws(Refusal) {
            guard let peer = message.peer else {
                self = try Self.plain(message)
                return
            }
            self = .acknowledged(try Self.plain(message), from: peer, bytes: message.byteCount)
        }

        private static func plain(_ message: WireMessage) throws(Refusal) -> Input {
            let topic = message.topic
            if let names = Topics.sensor.components(of: topic) {
                let reading: SensorReading = try message.decode()
                guard names == [reading.modality, reading.stamp.source] else {
                    throw Refusal(.unknownTopic, "\(topic) holds \(reading.modality) of \(reading.stamp.source)")
                }
                guard message.payload.count == 1 else { throw Refusal(.wrongShape, "\(message.payload.count) payload frames, not one") }
                return .reading(reading, payload: message)
            } else if Topics.cut.components(of: topic) != nil {
                return .cut(try message.decode())
            } else if Topics.feedback.components(of: topic) != nil {
                return .feedback(try message.decode())
            } else if Topics.explain.components(of: topic) != nil {
                return .explain(try message.decode())
            } else if Topics.greeting.components(of: topic) != nil, message.peer != nil {
                return .greeting(try message.decode())
            } else if Topics.coverage.components(of: topic) != nil, message.peer == nil {
                return .coverage(try message.decode())
            } else {
                throw Refusal(.unknownTopic, String(topic.prefix(128)))
            }
        }

        public var stamp: Stamp {
            switch self {
            case .reading(let reading, _): reading.stamp
            case .cut(let cut): cut.stamp
            case .feedback(let feedback): feedback.stamp
            case .explain(let request): request.stamp
            case .greeting(let greeting): greeting.stamp
            case .acknowledged(let input, _, _): input.stamp
            case .coverage(let coverage): coverage.stamp
            }
        }
    }

    /// What is passed on to the graph.
    public enum Output: Outbound {
        case sample(Sample, to: Topic<Sample>, payload: [Payload])
        case feedback(Feedback, to: Topic<Feedback>)
        case explain(ExplainRequest, to: Topic<ExplainRequest>)
        case acknowledgement(Acknowledgement, to: Peer, on: Topic<Acknowledgement>)

        public var outgoing: Outgoing {
            switch self {
            case .sample(let sample, let topic, let payload): Outgoing(sample, on: topic, payload: payload)
            case .feedback(let feedback, let topic): Outgoing(feedback, on: topic)
            case .explain(let request, let topic): Outgoing(request, on: topic)
            case .acknowledgement(let answer, let peer, let topic): Outgoing(answer, on: topic).only(to: peer)
            }
        }
    }

    var cutter: MomentCutter
    /// Live mode only: the arrival times of a recording carry no information about its clocks.
    private var clocks: SourceClocks?
    private var newest: Int64 = 0
    let topics: [(modality: String, topic: Topic<Sample>)]
    private let closer: String
    let cutsInSilence: Bool
    /// How far ahead of the wall clock a reading stamped with it may be, in nanoseconds.
    private let clockTolerance: Int64
    private let wallOffset: Int64
    private let handedness: CoordinateSettings.Handedness
    private var ended = false
    private var passedFeedback: UInt64 = 0
    /// Nil without a journal.
    var journaling: Journaling?
    /// Takes private parts out of texts before they are passed on; nil where none are.
    private var redactor: Redactor?
    private let privacy: PrivacySettings
    /// By session and timeline, the strictest class of the readings since its last moment ended.
    private var consents: RecentTable<ConsentKey, ConsentClass>
    /// Readings and feedback that were accepted, by class.
    private var classes: [ConsentClass: UInt64] = [:]

    private struct ConsentKey: Hashable {
        var session: String
        var timeline: UInt64
    }

    /// - Parameters:
    ///   - epoch: greater after a restart.
    ///   - wallOffset: nanoseconds from the clock that `process` is called with to the wall clock.
    ///   - closer: the publisher whose end is the end of the whole stream; empty: none.
    ///   - journal: what is accepted is written to it, and passed on when it is on disk; nil: there is none.
    ///   - now: when it begins, on that clock.
    public init(
        _ settings: IngestSettings, epoch: UInt64, wallOffset: Int64, closer: String, journal: (any AppendableJournal)? = nil,
        at now: Instant = Instant(nanoseconds: 0)
    ) {
        cutter = MomentCutter(settings.cut, epoch: epoch, doubts: settings.mode == .live)
        clocks = settings.mode == .live ? SourceClocks(settings.cut) : nil
        // names of sections are valid
        topics = settings.signals.names.compactMap { name in (try? Topics.sample(name)).map { (name, $0) } }
        self.closer = closer
        cutsInSilence = settings.mode == .live
        clockTolerance = Int64(nanosecondsIn: settings.cut.maximumJump)
        self.wallOffset = wallOffset
        journaling = journal.map { Journaling($0, settings.journal, isLive: settings.mode == .live) }
        handedness = settings.coordinates.handedness
        redactor = Redactor(settings.privacy)
        privacy = settings.privacy
        consents = RecentTable(capacity: settings.cut.maximumSessions)
        restore(at: now)
    }

    public var telemetry: Telemetry {
        var telemetry = Telemetry()
        telemetry.gauges = clocks?.gauges(at: newest) ?? [:]
        addJournal(to: &telemetry)
        for (rule, count) in redactor?.counts ?? [:] { telemetry.gauges["redacted.\(rule)"] = Double(count) }
        for (consent, count) in classes { telemetry.gauges["consent.\(consent.rawValue)"] = Double(count) }
        return telemetry
    }

    public mutating func process(_ input: Input, at now: Instant) throws(Refusal) -> [Output] {
        newest = now.nanoseconds
        if case .coverage(let coverage) = input { return follow(coverage, at: now) }
        if case .acknowledged(let input, let peer, let bytes) = input { return try process(input, of: bytes, from: peer, at: now) }
        return journal(try take(input, at: now), of: input, from: nil, at: now)
    }

    /// Checks a message, and gives it its place.
    mutating func take(_ input: Input, at now: Instant) throws(Refusal) -> [Output] {
        if case .explain(let request) = input {
            do {
                return [.explain(request, to: try Topics.explain(request.session))]
            } catch {
                throw Refusal(.badSession, error.description)
            }
        }
        if ended { throw Refusal(.afterTheEnd, "the stream has ended") }
        switch input {
        case .explain, .greeting, .acknowledged, .coverage: return []  // handled above, also after the end of the stream
        case .reading(let reading, let payload): return try take(reading, payload, at: now)
        case .cut(let cut): return try take(cut, at: now)
        case .feedback(var feedback):
            try check(session: feedback.session)
            guard feedback.hasLabel || feedback.hasReward || !feedback.text.isEmpty else {
                throw Refusal(.emptyFeedback, "neither label, text nor reward")
            }
            guard feedback.text.utf8.count <= Self.correctionBytes else {
                throw Refusal(.wrongShape, "a correction of \(feedback.text.utf8.count) bytes; at most \(Self.correctionBytes)")
            }
            if feedback.hasReward, !feedback.reward.isFinite { throw Refusal(.nonFinite, "a reward of \(feedback.reward)") }
            if feedback.hasLabel, feedback.classes > 0, feedback.label >= feedback.classes {
                throw Refusal(.labelOutOfRange, "label \(feedback.label) of \(feedback.classes) classes")
            }
            feedback.consent = try consent(feedback.consent, of: feedback.stamp)
            let topic = try topic(feedback.session)
            count(feedback.consent)
            feedback.givenUp = ""  // ingest's own
            if let text = redactor?.redact(feedback.text) { feedback.text = text }
            if let newest = newestBoundary { (feedback.boundaryEpoch, feedback.afterBoundary) = newest }
            passedFeedback += 1
            return [.feedback(feedback, to: topic)]
        }
    }

    /// The class of a message, as it names it or as the settings say.
    private func consent(_ named: Consent, of stamp: Stamp) throws(Refusal) -> Consent {
        if case .UNRECOGNIZED(let number) = named { throw Refusal(.wrongConsent, "there is no class \(number)") }
        return privacy.consent(named, of: stamp.source).message
    }

    private mutating func count(_ consent: Consent) {
        if let consent = ConsentClass(consent) { classes[consent, default: 0] = (classes[consent] ?? 0).clampedAdding(1) }
    }

    /// The class of what came for a moment is noted no longer: it has ended.
    mutating func forgetConsent(of boundary: Boundary) {
        consents.remove(ConsentKey(session: boundary.session, timeline: boundary.timeline))
    }

    /// Notes the class of a reading, for the moment that it came for.
    mutating func note(_ consent: Consent, in session: String, _ timeline: UInt64) {
        let key = ConsentKey(session: session, timeline: timeline)
        guard let consent = ConsentClass(consent) else { return }
        consents[key] = min(consent, consents[key] ?? .share)
    }

    /// The greatest size of a correction's text.
    private static let correctionBytes = 4096

    private func topic(_ session: String) throws(Refusal) -> Topic<Feedback> {
        do {
            return try Topics.feedback(session)
        } catch {
            throw Refusal(.badSession, error.description)
        }
    }

    public mutating func tick(at now: Instant) -> [Output] {
        let silent = cutsInSilence && !ended ? cutter.silence(at: now.nanoseconds).flatMap { samples(marking: $0, at: now) } : []
        return journal(silent, of: nil, from: nil, at: now) + deliver(at: now) + acknowledge()
    }

    public var hasWork: Bool { journaling?.delivery.isRepeating ?? false }
    public mutating func work(at now: Instant) -> [Output] { deliver(at: now) }

    private mutating func take(_ reading: SensorReading, _ message: WireMessage, at now: Instant) throws(Refusal) -> [Output] {
        try check(session: reading.session)
        guard let topic = topics.first(where: { $0.modality == reading.modality })?.topic else {
            throw Refusal(
                .unknownModality, "'\(reading.modality.prefix(64))' is none of \(topics.map(\.modality).sorted().joined(separator: ", "))")
        }
        if let problem = reading.answer.problem { throw Refusal(.wrongShape, problem) }
        let consent = try consent(reading.consent, of: reading.stamp)
        try reading.checkCoordinates(handedness, message.payload[0])
        let payload = try redacted(reading, message)
        var event = MomentCutter.Event(session: reading.session, time: try time(of: reading.stamp, session: reading.session, at: now))
        event.domain = reading.domain
        event.ends = reading.ends == .none ? nil : reading.ends
        let outcome = try take(event, reading.stamp, at: now)
        var reading = reading
        (reading.stamp.time, reading.consent) = (outcome.time, consent)
        var outputs = outcome.before.flatMap { samples(marking: $0, at: now) }
        count(consent)
        note(consent, in: reading.session, outcome.timeline)
        let sample = Sample.with {
            $0.arrived = now.nanoseconds; $0.reading = reading; $0.timeline = outcome.timeline
        }
        outputs.append(.sample(sample, to: topic, payload: [payload]))
        if var boundary = outcome.boundary {
            if reading.hasAnswer { boundary.answer = reading.answer }
            outputs += samples(marking: boundary, at: now)
        }
        return outputs
    }

    /// A reading's payload, without the private parts of a text.
    private mutating func redacted(_ reading: SensorReading, _ message: WireMessage) throws(Refusal) -> Payload {
        guard redactor != nil, reading.modality == Self.text else { return Payload(message.payload[0]) }
        let part = message.payload[0]
        guard part.count <= Redactor.mostBytes else {
            throw Refusal(.tooLarge, "a text of \(part.count) bytes; at most \(Redactor.mostBytes) are looked through")
        }
        guard let text = String(validating: [UInt8](part), as: UTF8.self), let plain = redactor?.redact(text) else {
            throw Refusal(.undecodable, "a text that is not UTF-8")
        }
        return Payload(Array(plain.utf8))
    }

    private static let text = "text"

    private mutating func take(_ cut: Cut, at now: Instant) throws(Refusal) -> [Output] {
        if cut.kind == .end {
            guard !closer.isEmpty, cut.stamp.source == closer else { return [] }  // one of several publishers is done
            ended = true
            var boundaries = cutter.finish()
            boundaries.append(
                .with {
                    $0.ordinal = cutter.newestBoundary + 1
                    $0.epoch = cutter.epoch
                    $0.arrived = now.nanoseconds
                    $0.last = true
                })
            return boundaries.flatMap { samples(marking: $0, at: now) }
        }
        try check(session: cut.session)
        var event = MomentCutter.Event(session: cut.session, time: try time(of: cut.stamp, session: cut.session, at: now))
        event.domain = cut.domain
        event.isReading = false
        event.ends = cut.kind == .none ? .explicit : cut.kind
        let outcome = try take(event, cut.stamp, at: now)
        return (outcome.before + (outcome.boundary.map { [$0] } ?? [])).flatMap { samples(marking: $0, at: now) }
    }

    /// Places the event in its session. Clock estimates are updated with accepted stamps.
    private mutating func take(_ event: MomentCutter.Event, _ stamp: Stamp, at now: Instant) throws(Refusal) -> MomentCutter.Outcome {
        var event = event
        event.source = stamp.source
        event.epoch = stamp.epoch
        event.arrived = now.nanoseconds
        do {
            let outcome = try cutter.take(event)
            if event.isReading, outcome.isAccepted { clocks?.note(stamp, session: event.session, arrived: now.nanoseconds) }
            return outcome
        } catch {
            throw Refusal(Reason(rawValue: error.rawValue), "the time of \(stamp.source) does not fit session \(event.session)")
        }
    }

    /// The session's time of a stamp.
    private func time(of stamp: Stamp, session: String, at now: Instant) throws(Refusal) -> Int64 {
        try check(clockOf: stamp, at: now)
        let time = clocks?.time(of: stamp, session: session, arrived: now.nanoseconds) ?? stamp.time
        try check(range: time)
        return time
    }

    /// The messages of a boundary: one to every modality's extractor, after the samples that came before it.
    private mutating func samples(marking boundary: Boundary, at now: Instant) -> [Output] {
        var boundary = boundary
        boundary.feedback = passedFeedback
        let key = ConsentKey(session: boundary.session, timeline: boundary.timeline)
        if let consent = consents.remove(key) { boundary.consent = consent.message }
        let sample = Sample.with {
            $0.arrived = now.nanoseconds
            $0.boundary = boundary
        }
        return topics.map { .sample(sample, to: $0.topic, payload: []) }
    }

    private func check(session: String) throws(Refusal) {
        guard TopicComponent.isValid(session) else { throw Refusal(.badSession, "a session cannot be called '\(session.prefix(64))'") }
    }

    private func check(clockOf stamp: Stamp, at now: Instant) throws(Refusal) {
        try check(range: stamp.time)
        let wall = now.nanoseconds.clampedAdding(wallOffset)
        if stamp.clock == "unix", stamp.time.clampedSubtracting(wall) > clockTolerance {
            throw Refusal(.clockInFuture, "\(stamp.source) is too far ahead of the wall clock")
        }
    }

    private func check(range time: Int64) throws(Refusal) {
        guard (-Int64.furthestTime...Int64.furthestTime).contains(time) else {
            throw Refusal(.clockInFuture, "a time of \(time) ns")
        }
    }
}
