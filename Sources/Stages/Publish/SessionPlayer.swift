import Foundation
import Logging
import Messaging
import Pipeline
import Schema
import Signals

/// Publishes a session into a running graph, as any publisher would: readings, moments' ends, labels when they become known.
///
/// Live, it keeps the session's own time. In lockstep it sends as fast as the graph goes, and stays within a window of moments ahead of the referee.
public final class SessionPlayer {
    private let settings: Settings
    private let source: String
    private let bus: ZeroMQBus
    private let publisher: any Publisher
    private let teller: any Publisher
    private let progress: Subscriber
    private let clock = MonotonicClock()
    private let logger: Logger
    private var outbox: Outbox
    private var window: LockstepWindow
    private let directory: SessionDirectory?
    private var labels = DueLabels()
    /// What ends a moment, until the next event tells whether a label of that moment follows: then its end asks for it.
    private var held: SessionEvent?
    private var sent: UInt64 = 0
    private var drops = Drops()
    private var nextStatus = Instant(nanoseconds: 0)
    /// Seconds until the next event is due, live.
    private var pause = 0.0
    private var newest: Int64 = 0

    /// - Parameters:
    ///   - source: the name in the stamps of moments' ends and labels; readings carry their own source's.
    ///   - directory: where the files are that readings name.
    public init(_ settings: Settings, source: String, directory: SessionDirectory? = nil, environment: [String: String]) throws {
        self.settings = settings
        self.source = source
        self.directory = directory
        logger = Logger(label: source, factory: { StreamLogHandler.standardError(label: $0) })
        bus = try ZeroMQBus()
        var options = PublisherOptions()
        options.limits = settings.stageOptions.limits
        options.overflow = settings.mode.overflow
        publisher = try bus.publisher(.connect, try settings.sensors(environment), options: options)
        teller = try bus.publisher(.bind, try settings.tells(settings.endpoints.play, environment), options: options)
        progress = try bus.subscriber(
            to: [Subscription(try settings.evaluateTells(environment), topics: [Topics.evaluationProgress.prefix])],
            limits: settings.stageOptions.limits)
        outbox = Outbox(source: source, epoch: UInt64(WallClock().now.nanoseconds), clock: clock)
        window = LockstepWindow(settings)
    }

    /// Plays all events and says that nothing follows.
    /// - Throws: `MessagingError`, `PlayFailure` where the graph does not answer.
    public func play(_ events: some Sequence<Result<SessionEvent, SessionRefusal>>) async throws {
        guard try await publisher.waitForSubscribers(to: Topics.sensor.prefix, within: .seconds(settings.supervise.startTimeout)) else {
            throw PlayFailure("ingest did not subscribe within \(settings.supervise.startTimeout) s; is the graph up, and is this its configuration?")
        }
        if ProcessInfo.processInfo.environment["ACCRETE_SUPERVISOR"] != nil {  // somebody wants to know what was refused
            _ = try await teller.waitForSubscribers(to: Topics.status.prefix, within: .seconds(3))
        }
        let began = clock.now
        var start: Int64?
        for result in events {
            if Task.isCancelled { break }
            switch result {
            case .failure(let refusal):
                drops.count(Reason(rawValue: refusal.refusal.reason.rawValue))
                logger.warning("\(refusal)")
            case .success(let event):
                start = start ?? event.time
                try await wait(until: began + .seconds(Double(event.time - (start ?? 0)) / 1e9 / settings.play.speed))
                try await take(event)
            }
            try await tellStatus()
        }
        try await sendHeld(as: nil)
        for label in labels.all() { try await send(label) }
        let end = Cut.with { $0.kind = .end; $0.session = source; $0.stamp = stamp(at: newest, source: source) }
        try await send(end, on: try Topics.cut(source))
        try await tellStatus(last: true)
        publisher.close()
        teller.close()
        progress.cancel()
        await bus.end()
    }

    private func take(_ event: SessionEvent) async throws {
        newest = max(newest, event.time)
        for label in labels.due(at: event.time) { try await send(label) }
        guard case .label(let label) = event else {
            try await sendHeld(as: nil)
            if case .reading(let reading) = event, !reading.endsMoment { return try await send(reading, ends: .none) }
            held = event
            return
        }
        if let held, held.session == label.session, held.time == event.time {
            try await sendHeld(as: .labelRequest)
        } else {
            try await sendHeld(as: nil)
            try await cut(label.session, at: event.time, .labelRequest, label.domain ?? "")
        }
        try await send(label)
    }

    /// - Parameter kind: how the moment ends, if not as usual.
    private func sendHeld(as kind: CutKind?) async throws {
        defer { held = nil }
        switch held {
        case .reading(let reading)?: try await send(reading, ends: kind ?? .utteranceEnd)
        case .cut(let cut)?: try await self.cut(cut.session, at: cut.time, kind ?? .explicit, cut.domain ?? "")
        case .label?, nil: break
        }
    }

    /// Now, or when it becomes known.
    private func send(_ label: SessionEvent.Label) async throws {
        let feedback = Feedback.with {
            $0.stamp = stamp(at: label.time, source: source)
            $0.session = label.session
            $0.momentEnd = label.time
            $0.label = UInt32(clamping: label.label)
            $0.classes = UInt32(clamping: label.classes)
            $0.knownAt = label.knownAt
        }
        if label.knownAt <= label.time { try await send(feedback) } else { labels.insert(feedback) }
    }

    private func send(_ reading: SessionEvent.Reading, ends: CutKind) async throws {
        guard let topic = try? Topics.sensor(reading.modality, reading.source) else { return drops.count(.badSource) }
        guard let raw = load(reading) else { return }
        window.reading(session: reading.session, at: reading.time, domain: reading.domain ?? "")
        if ends != .none { window.cut(session: reading.session, at: reading.time) }
        let message = SensorReading.with {
            $0.stamp = stamp(at: reading.time, source: reading.source)
            $0.session = reading.session
            $0.modality = raw.modality
            $0.format = raw.format
            $0.width = UInt32(clamping: raw.width)
            $0.height = UInt32(clamping: raw.height)
            $0.channels = UInt32(clamping: raw.channels)
            $0.sampleRate = UInt32(clamping: raw.sampleRate)
            $0.domain = reading.domain ?? ""
            $0.ends = ends
        }
        try await send(message, on: topic, payload: [Payload(raw.payload)])
    }

    private func load(_ reading: SessionEvent.Reading) -> RawReading? {
        do throws(SignalRefusal) {
            if case .payload(let raw) = reading.content { return raw }
            guard let directory else { throw SignalRefusal(.missingFile, "a reading that names a file outside a directory") }
            return try directory.load(reading)
        } catch {
            drops.count(Reason(rawValue: error.reason.rawValue))
            logger.warning("\(reading.modality) of \(reading.source) at \(Double(reading.time) / 1e9) s: \(error)")
            return nil
        }
    }

    private func cut(_ session: String, at time: Int64, _ kind: CutKind, _ domain: String) async throws {
        guard let topic = try? Topics.cut(session) else { return drops.count(.badSession) }
        window.cut(session: session, at: time)
        let cut = Cut.with { $0.stamp = stamp(at: time, source: source); $0.session = session; $0.kind = kind; $0.domain = domain }
        try await send(cut, on: topic)
    }

    private func send(_ feedback: Feedback) async throws {
        guard let topic = try? Topics.feedback(feedback.session) else { return drops.count(.badSession) }
        try await send(feedback, on: topic)
    }

    private func send<Message: Stamped>(_ message: Message, on topic: Topic<Message>, payload: [Payload] = []) async throws {
        if settings.mode == .lockstep { try await waitForRoom() }
        try outbox.append(Outgoing(message, on: topic, payload: payload))
        repeat {
            try outbox.flush(to: publisher)
            if !outbox.isEmpty { try await Task.sleep(for: .milliseconds(1)) }
        } while !outbox.isEmpty
        sent += 1
    }

    private func stamp(at time: Int64, source: String) -> Stamp {
        .with { $0.source = source; $0.time = time; $0.clock = "session" }
    }

    /// Holds the stream back until the referee is near enough.
    private func waitForRoom() async throws {
        let began = clock.now
        var newest = window.done
        var since = began
        while !window.hasRoom {
            while let batch = progress.takeIfReady() {
                for index in 0..<batch.count {
                    if let message: EvaluationProgress = try? batch[index].decode() { window.progress(message.ordinal) }  // the evaluator's own
                }
            }
            if window.hasRoom { return }
            if window.done > newest { (newest, since) = (window.done, clock.now) }
            guard (clock.now - since).inSeconds < settings.lockstep.patience else {
                throw PlayFailure("the graph has made no progress for \(settings.lockstep.patience) s, at moment \(window.done)")
            }
            try publisher.service()
            try await tellStatus()
            try await Task.sleep(for: .microseconds(500))
        }
    }

    private func wait(until time: Instant) async throws {
        guard settings.mode == .live else { return }
        defer { pause = 0 }
        while clock.now < time {
            let rest = time - clock.now
            pause = rest.inSeconds
            try await Task.sleep(for: min(rest, .milliseconds(100)))
            try publisher.service()
            try await tellStatus()
        }
    }

    private func tellStatus(last: Bool = false) async throws {
        guard last || clock.now >= nextStatus else { return }
        nextStatus = clock.now + .seconds(1)
        var status = Status()
        status.stage = "play"
        status.process = UInt64(getpid())
        status.sent = ["messages": sent]
        status.drops = drops.byName
        status.gauges = ["nextIn": pause]
        status.peakMemory = ProcessMemory.peak
        status.last = last
        try teller.service()
        try statusBox.append(Outgoing(status, on: try Topics.status("play")))
        try statusBox.flush(to: teller)
    }

    private lazy var statusBox = Outbox(source: "play", epoch: UInt64(WallClock().now.nanoseconds), clock: clock)
}

/// Why a session could not be played to its end.
public struct PlayFailure: Error, CustomStringConvertible {
    public let description: String

    public init(_ description: String) {
        self.description = description
    }
}
