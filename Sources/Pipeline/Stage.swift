import Dispatch
import Glibc
import Logging
import Messaging
import Schema
import Statistics

/// Runs a processor on its own Dispatch queue and connects it to the bus.
///
/// It receives, decodes and checks messages; calls the processor with one after another; stamps and sends the outputs; and
/// publishes its status about once a second. Bad input is counted by its reason and dropped.
public actor Stage<P: Processor> {
    /// The stage's name in stamps and on its status topic.
    public nonisolated let name: String
    private nonisolated let executor: StageExecutor
    public nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    private var processor: P
    private let subscriptions: [Subscription]
    private let endpoints: [Endpoint]
    private let options: StageOptions
    private let bus: (any Bus)?
    private let clock: any TimeSource
    private let logger: Logger
    private nonisolated let control = StageControl()

    private var publisher: (any Publisher)?
    private var subscriber: Subscriber?
    private var outbox: Outbox
    private var sequences: SequenceTracker
    private var bursts: BurstLog
    private var drops = Drops()
    private var loggedRefusals: [Reason: UInt64] = [:], loggedCauses: [Reason: UInt64] = [:]
    private var received: [String: UInt64] = [:]
    private var processing = QuantileSketch()
    private var nextTick: Instant
    private var nextStatus: Instant

    /// - Parameters:
    ///   - name: the stage's name in stamps and on `status.<name>/`.
    ///   - publish: the endpoints it binds; subscribers connect there.
    ///   - bus: ZeroMQ, opened by `run`, where none is given.
    ///   - clock: the source of the processor's time.
    ///   - epoch: greater after each restart; by default the wall clock's nanoseconds.
    public init(
        name: String, processor: sending P, subscriptions: [Subscription], publish endpoints: [Endpoint],
        options: StageOptions = StageOptions(), bus: (any Bus)? = nil, clock: any TimeSource = MonotonicClock(),
        epoch: UInt64 = UInt64(clamping: WallClock().now.nanoseconds), logger: Logger? = nil
    ) {
        self.name = name
        self.processor = processor
        self.subscriptions = subscriptions
        self.endpoints = endpoints
        self.options = options
        self.bus = bus
        self.clock = clock
        self.logger = logger ?? Logger(label: name, factory: { LineLogHandler(label: $0) })
        executor = StageExecutor("accrete.\(name)")
        outbox = Outbox(source: name, epoch: epoch, clock: clock)
        sequences = SequenceTracker(
            countsFromOne: options.mode == .lockstep, maximumSources: options.limits.sources)
        bursts = BurstLog(self.logger, period: options.burstPeriod)
        nextTick = clock.now + options.tickInterval
        nextStatus = clock.now + options.statusInterval
    }

    /// Runs until the processor has finished, `stop()` is called, or one of these signals arrives.
    /// - Throws: `MessagingError` where the stage cannot start.
    public nonisolated func run(stoppingOn signals: [Int32] = [SIGTERM, SIGINT]) async throws {
        let interrupts = Interrupts(on: signals) { [control] in control.stop() }
        defer { interrupts.cancel() }
        let work = Task(executorPreference: executor) { try await self.work() }
        try await withTaskCancellationHandler {
            try await work.value
        } onCancel: {
            control.stop()
        }
    }

    /// Ends the stage after the current message. What has been processed is still sent.
    public nonisolated func stop() { control.stop() }

    /// The current status, as published on the status topic.
    public var snapshot: Status { status(last: false) }

    // MARK: From start to end

    private func work() async throws {
        let bus = try self.bus ?? ZeroMQBus(security: options.security)
        do {
            try await open(on: bus)
            if !control.isStopped, let subscriber { await receive(from: subscriber) }
            await conclude()
        } catch {
            close()
            await bus.end()
            throw error
        }
        close()
        await bus.end()
    }

    /// Binds, waits for the subscribers that must not miss anything, then subscribes.
    private func open(on bus: any Bus) async throws {
        _ = try Topics.status(name)
        let publisher = try bus.publisher(.bind, endpoints, options: options.publisherOptions)
        self.publisher = publisher
        try await waitForSubscribers(of: publisher)
        if control.isStopped { return }
        let subscriber = try bus.subscriber(
            to: subscriptions, limits: options.limits, overflow: options.mode.overflow)
        self.subscriber = subscriber
        control.listen(with: subscriber)
        logger.info("ready")
    }

    private func waitForSubscribers(of publisher: any Publisher) async throws {
        let started = ContinuousClock.now
        for (topic, count) in options.awaitedSubscribers.sorted(by: { $0.key < $1.key }) {
            while !(try await publisher.waitForSubscribers(to: topic, count: count, within: .milliseconds(100))) {
                if control.isStopped { return }
                guard ContinuousClock.now - started >= options.patience else { continue }
                let reason = "\(publisher.subscriberCount(of: topic)) of \(count) subscribers have come to \(topic)"
                guard options.mode == .live else { throw MessagingError("begin in lockstep", reason) }
                logger.warning("starts although only \(reason)")
                break
            }
        }
    }

    private func receive(from subscriber: Subscriber) async {
        let timer = startTimer()
        defer { timer.cancel() }
        for await first in subscriber {
            var batch: MessageBatch? = first
            var batches = 0
            repeat {
                if let batch {
                    for index in 0..<batch.count {
                        take(batch[index])
                        guard await goesOn() else { return }
                    }
                    batches += 1
                }
                batch = processor.hasWork ? subscriber.takeIfReady() : nil
                if processor.hasWork, batch == nil || batches % Self.batchesBetweenWork == 0 {
                    doWork()
                    guard await goesOn() else { return }
                }
            } while batch != nil || processor.hasWork
        }
    }

    /// After this many batches a part of the work that waits is done although more has arrived.
    private static var batchesBetweenWork: Int { 64 }

    /// Sends what waits and beats when it is time.
    /// - Returns: whether the stage goes on.
    private func goesOn() async -> Bool {
        await sendAll()
        if clock.now >= nextTick { beat() }
        return !control.isStopped && !processor.isFinished
    }

    private func doWork() {
        let now = clock.now
        post(processor.work(at: now))
        processing.add(clock.now - now)
    }

    private func conclude() async {
        post(processor.finish(at: clock.now))
        postStatus(last: true)
        await sendAll(until: .now + .milliseconds(options.limits.lingerMilliseconds))
    }

    private func close() {
        subscriber?.cancel()
        publisher?.close()
        publisher = nil
    }

    // MARK: One message

    private func take(_ message: WireMessage) {
        let now = clock.now
        let topic = message.topic
        do throws(Refusal) {
            // Checked before any state is kept under the topic's name.
            guard let family = Topics.family(of: topic) else { throw Refusal(.unknownTopic, topic) }
            received[family.name.firstComponent, default: 0] += 1
            var message = message
            let stamp = try open(&message, as: family)
            if let newest = options.newestMessage, !newest.note(stamp, on: topic) {
                throw Refusal(.passedOver, "message \(stamp.sequence) of \(stamp.source) on \(topic) crashed this stage before")
            }
            // The sequence of one that is answered counts everything it sends; the processor keeps it.
            if message.peer == nil, try !sequences.accept(stamp, on: topic) { return }
            post(try processor.process(P.Input(message), at: now))
        } catch {
            drops.count(error.reason)
            bursts.note(error, at: now)
            if message.peer != nil { post(processor.refuse(message, because: error, at: now)) }
        }
        processing.add(clock.now - now)
    }

    /// Decodes the message's header. One whose content cannot be read still has its place in its source's sequence.
    private func open(_ message: inout WireMessage, as family: any AnyTopicFamily) throws(Refusal) -> Stamp {
        do {
            return try message.open(as: family)
        } catch {
            if message.peer == nil, let stamp = try? message.stamp() { _ = try sequences.accept(stamp, on: message.topic) }
            throw error
        }
    }

    private func post(_ outputs: [P.Output]) {
        for output in outputs { post(output.outgoing) }
    }

    private func post(_ outgoing: Outgoing) {
        do {
            if let peer = outgoing.peer {
                subscriber?.answer(
                    peer, topic: outgoing.topic, header: try outbox.header(of: outgoing), payload: outgoing.payload)
            } else if outgoing.isQuestion {
                subscriber?.ask(topic: outgoing.topic, header: try outbox.header(of: outgoing))
            } else {
                try outbox.append(outgoing)
            }
        } catch {
            logger.error("cannot encode a message on \(outgoing.topic): \(error)")
        }
        flush()
    }

    // MARK: Sending

    private func flush() {
        guard let publisher else { return }
        while !outbox.isEmpty {
            do {
                return try outbox.flush(to: publisher)
            } catch {
                drops.count(.unsent)
                bursts.note(Refusal(.unsent, error.description), at: clock.now)
            }
        }
    }

    /// In lockstep, waits until slow subscribers have room for everything.
    private func sendAll() async {
        while !outbox.isEmpty, !control.isStopped { await retry() }
    }

    private func sendAll(until deadline: ContinuousClock.Instant) async {
        while !outbox.isEmpty, ContinuousClock.now < deadline { await retry() }
    }

    private func retry() async {
        try? await Task.sleep(for: .milliseconds(1))
        flush()
    }

    // MARK: Heartbeat

    /// A timer that beats while no messages arrive; while they do, the receiving loop beats between two of them.
    private func startTimer() -> any DispatchSourceTimer {
        let timer = DispatchSource.makeTimerSource(queue: executor.queue)
        let interval = DispatchTimeInterval.nanoseconds(Int(options.tickInterval.nanoseconds))
        timer.schedule(deadline: .now() + interval, repeating: interval)
        timer.setEventHandler { [weak self] in
            self?.assumeIsolated { if $0.clock.now >= $0.nextTick { $0.beat() } }
        }
        timer.resume()
        return timer
    }

    private func beat() {
        let now = clock.now
        nextTick = now + options.tickInterval
        do {
            try publisher?.service()
        } catch {
            logger.error("\(error)")
        }
        flush()
        if outbox.isEmpty { post(processor.tick(at: now)) }
        if now >= nextStatus { postStatus() }
        bursts.flush(at: now)
        if processor.isFinished { subscriber?.cancel() }
    }

    private func postStatus(last: Bool = false) {
        let now = clock.now
        nextStatus = now + options.statusInterval
        noteRefusals(at: now)
        guard let topic = try? Topics.status(name) else { return }
        post(Outgoing(status(last: last), on: topic))
    }

    /// Logs what was refused before it reached the stage, and what the processor reports as dropped and why.
    private func noteRefusals(at now: Instant) {
        for (reason, count) in subscriber?.refusals ?? [:] {
            let unlogged = count.clampedSubtracting(loggedRefusals[reason, default: 0])
            if unlogged > 0 { bursts.note(Refusal(reason), count: unlogged, at: now) }
            loggedRefusals[reason] = count
        }
        let reported = processor.telemetry.drops
        for (reason, cause) in reported.causes.sorted(by: { $0.key.rawValue < $1.key.rawValue }) {
            let unlogged = reported[reason] - min(reported[reason], loggedCauses[reason, default: 0])
            if unlogged > 0 { bursts.note(Refusal(reason, cause), count: unlogged, at: now) }
            loggedCauses[reason] = reported[reason]
        }
    }

    private func status(last: Bool) -> Status {
        let telemetry = processor.telemetry
        var drops = self.drops
        drops.add(telemetry.drops.counts)
        drops.add(subscriber?.refusals ?? [:])
        var status = Status()
        status.stage = name
        status.process = UInt64(getpid())
        status.received = received
        status.sent = outbox.sent
        status.drops = drops.byName
        status.gaps = sequences.gaps
        status.modelVersion = telemetry.modelVersion
        status.peakMemory = ProcessMemory.peak
        status.latency = telemetry.latencies.mapValues(Quantiles.init)
        status.latency["process"] = Quantiles(processing)
        status.gauges = telemetry.gauges
        status.last = last
        return status
    }
}
