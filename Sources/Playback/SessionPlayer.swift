import Configuration
import Foundation
import Logging
import Messaging
import Pipeline
import Schema
import Signals
import Statistics
import Wiring

/// Publishes a recorded session to a running graph, as any publisher would: readings, the ends of moments, and labels when they become
/// known.
///
/// In live mode it keeps the session's own time. In lockstep it sends as fast as the graph processes, and stays within a window of moments
/// ahead of the evaluator.
public final class SessionPlayer {
    private let settings: GraphSettings
    private let source: String
    private let bus: ZeroMQBus
    private let publisher: any Publisher
    private let statusPublisher: any Publisher
    private let progress: Subscriber
    private let clock = MonotonicClock()
    private let logger: Logger
    private var outbox: Outbox
    private var window: LockstepWindow
    private var script: SessionScript
    /// Increases where the session's times start again, as it does where a device restarts.
    private var epoch: UInt64
    private var sent: UInt64 = 0
    private var drops = Drops()
    private var nextStatus = Instant(nanoseconds: 0)
    private var newest: Int64 = 0
    /// Live mode: when the next event is due.
    private var due: Instant?

    /// - Parameters:
    ///   - source: the name in the stamps of cuts and labels; readings have their own source.
    ///   - directory: holds the files that readings name.
    /// - Throws: `MessagingError` where an endpoint cannot be used.
    public init(_ settings: GraphSettings, source: String, directory: SessionDirectory? = nil, environment: [String: String]) throws {
        self.settings = settings
        self.source = source
        script = SessionScript(directory: directory, maximumBytes: settings.messaging.frameBytes)
        logger = Logger(label: source, factory: { StreamLogHandler.standardError(label: $0) })
        bus = try settings.openBus()
        var options = PublisherOptions()
        options.limits = settings.stageOptions.limits
        options.overflow = settings.mode.overflow
        publisher = try bus.publisher(.connect, try settings.sensors(environment), options: options)
        statusPublisher = try bus.publisher(.bind, try settings.publishingEndpoints(settings.endpoints.play, environment), options: options)
        progress = try bus.subscriber(
            to: [Subscription(try settings.evaluatorEndpoints(environment), topics: [Topics.evaluationProgress.prefix])],
            limits: settings.stageOptions.limits)
        epoch = UInt64(clamping: WallClock().now.nanoseconds)
        outbox = Outbox(source: source, epoch: epoch, clock: clock)
        window = LockstepWindow(settings)
    }

    /// Plays all events and publishes the end of the stream.
    /// - Throws: `MessagingError`; `PlayFailure` where the graph does not respond.
    public func play(_ events: some Sequence<Result<SessionEvent, SessionRefusal>>) async throws {
        guard try await publisher.waitForSubscribers(to: Topics.sensor.prefix, within: .seconds(settings.supervise.startTimeout)) else {
            throw PlayFailure(
                "ingest did not subscribe within \(settings.supervise.startTimeout) s; is the graph up, and is this its configuration?")
        }
        if ProcessInfo.processInfo.environment["ACCRETE_SUPERVISOR"] != nil {  // a supervisor reads what was refused
            _ = try await statusPublisher.waitForSubscribers(to: Topics.status.prefix, within: .seconds(3))
        }
        var began = clock.now
        var start: Int64?
        for result in events {
            if Task.isCancelled { break }
            switch result {
            case .failure(let refusal):
                drops.count(Reason(rawValue: refusal.refusal.reason.rawValue))
                logger.warning("\(refusal)")
            case .success(let event):
                if script.beginsAnew(with: event) { (began, start) = (clock.now, event.time) }
                let elapsed = Double(event.time.clampedSubtracting(start ?? event.time)) / settings.play.speed
                start = start ?? event.time
                try await wait(until: Instant(nanoseconds: began.nanoseconds.clampedAdding(Int64(clamping: elapsed))))
                try await take(event)
            }
            try await publishStatus()
        }
        for publication in script.finish() { try await send(publication) }
        let end = Cut.with {
            $0.kind = .end; $0.session = source;
            $0.stamp = .with {
                $0.time = newest; $0.clock = "session"
            }
        }
        try await send(Outgoing(end, on: try Topics.cut(source)))
        try await publishStatus(last: true)
        publisher.close()
        statusPublisher.close()
        progress.cancel()
        await bus.end()
    }

    private func take(_ event: SessionEvent) async throws {
        if script.beginsAnew(with: event) {
            for publication in script.finish() { try await send(publication) }
            epoch += 1
            outbox = Outbox(source: source, epoch: epoch, clock: clock)
        }
        newest = event.time
        for publication in script.take(event) { try await send(publication) }
    }

    private func send(_ publication: SessionScript.Publication) async throws {
        if case .refused(let reading, let refusal) = publication {
            drops.count(Reason(rawValue: refusal.reason.rawValue))
            logger.warning("\(reading.modality) of \(reading.source) at \(Double(secondsIn: reading.time)) s: \(refusal)")
        }
        let outgoing: Outgoing
        do throws(Refusal) {
            guard let message = try publication.outgoing(from: source) else { return }
            outgoing = message
        } catch {
            drops.count(error.reason)
            return logger.warning("\(error)")
        }
        if let event = publication.event(from: source, epoch: epoch) { window.note(event) }
        try await send(outgoing)
    }

    private func send(_ outgoing: Outgoing) async throws {
        if settings.mode == .lockstep { try await waitForRoom() }
        try outbox.append(outgoing)
        repeat {
            try outbox.flush(to: publisher)
            if !outbox.isEmpty { try await Task.sleep(for: .milliseconds(1)) }
        } while !outbox.isEmpty
        sent += 1
    }

    /// Waits until the evaluator has made enough progress.
    private func waitForRoom() async throws {
        let began = clock.now
        var newest = window.done
        var since = began
        while !window.hasRoom {
            while let batch = progress.takeIfReady() {
                for index in 0..<batch.count {
                    // the evaluator's own
                    if let message: EvaluationProgress = try? batch[index].decode() { window.progress(message.ordinal) }
                }
            }
            if window.hasRoom { return }
            if window.done > newest { (newest, since) = (window.done, clock.now) }
            guard (clock.now - since).inSeconds < settings.lockstep.patience else {
                throw PlayFailure("the graph has made no progress for \(settings.lockstep.patience) s, at moment \(window.done)")
            }
            try publisher.service()
            try await publishStatus()
            try await Task.sleep(for: .microseconds(500))
        }
    }

    private func wait(until time: Instant) async throws {
        guard settings.mode == .live else { return }
        due = time
        while clock.now < time {
            let rest = time - clock.now
            try await Task.sleep(for: min(rest, .milliseconds(100)))
            try publisher.service()
            try await publishStatus()
        }
        due = nil
    }

    private func publishStatus(last: Bool = false) async throws {
        guard last || clock.now >= nextStatus else { return }
        nextStatus = clock.now + .seconds(1)
        var status = Status()
        status.stage = "play"
        status.process = UInt64(getpid())
        status.sent = ["messages": sent]
        status.drops = drops.byName
        status.peakMemory = ProcessMemory.peak
        if let due { status.gauges["nextIn"] = max(0, (due - clock.now).inSeconds) }
        status.last = last
        try statusPublisher.service()
        try statusBox.append(Outgoing(status, on: try Topics.status("play")))
        try statusBox.flush(to: statusPublisher)
    }

    private lazy var statusBox = Outbox(source: "play", epoch: UInt64(clamping: WallClock().now.nanoseconds), clock: clock)
}

/// Why a session could not be played to its end.
public struct PlayFailure: Error, CustomStringConvertible {
    public let description: String

    public init(_ description: String) {
        self.description = description
    }
}
