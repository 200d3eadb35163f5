import Configuration
import Learning
import Messaging
import Model
import Pipeline
import Schema
import Statistics

/// The learner: learns from each moment once, applies its trigger rules, and publishes the model as it changes, through a gate where one is
/// configured.
///
/// Subscribes to `moment.*` (moments and the feedback that cites them, in one order) and an operator's `order.*`. Publishes
/// `model.update/`, `model.verdict/`, `trigger.ledger/`, an answer to each order and, where configured, `policy.update/` for decisions and
/// `model.update.<session>/` for sessions' own adapters. A moment that requests a label waits for it. Moments are learned in the order in
/// which they are complete, so equal streams give equal models.
public struct LearnProcessor: Processor {
    private let settings: LearnSettings
    private let holdOut: UInt64
    private let isLive: Bool
    /// Updates are split into frames of this size.
    private let frameBytes: Int
    /// Measures how long an update took; nothing else depends on it.
    private let clock: any TimeSource
    private let guided: GuidedLearner
    private var sessions: SessionPublisher?
    private let store: CheckpointStore
    private var progress: LearnProgress
    private var labels: LabelJoin
    /// Reserved version numbers, each of which is used only once.
    private var versions: ReservedNumbers
    /// Live mode: fuse has sent an ordinal that was seen before, and needs an update with the current ordinal.
    private var isAhead = false
    /// The number of events, of a stream that starts again, that the checkpoint has processed already and that are skipped.
    private var known: UInt64 = 0
    private var newestArrival: Int64 = 0
    private var losses = 0.0
    private var learned = 0
    private var isAccepted = true
    /// The learner's steps when its model was last published, and whether an operator has changed it since.
    private var stepsPublished = 0, isOrdered = false
    /// Whether the end of the stream has been received in this run; a restored checkpoint may be of its end already.
    private var hasEnded = false
    /// The ledger's lines published so far: up to this serial, and the time of the newest of them.
    private var lines = (serial: 0, time: Int64.min)
    private var lastPublished: Instant?
    private var lastStored: Instant?
    /// The number of events in the newest checkpoint, and the seconds that writing it took.
    private var eventsStored: UInt64 = 0, storing = 0.0
    private var decisions: DecisionLearner?
    private var ownTelemetry = Telemetry()

    /// Continues from the newest checkpoint of the configured directory, or starts from the seed where there is none.
    /// - Throws: the error of invalid settings, or of a checkpoint that cannot be used.
    public init(_ settings: GraphSettings, clock: any TimeSource) throws {
        self.settings = settings.learn
        holdOut = UInt64(settings.evaluate.holdOut)
        isLive = settings.mode == .live
        frameBytes = settings.messaging.frameBytes
        self.clock = clock
        store = try CheckpointStore(directory: settings.learn.directory, model: settings.model, tokenizer: settings.signals.text.tokenizer)
        guided = try GuidedLearner(settings)
        (progress, labels) = (LearnProgress(), LabelJoin(patience: settings.learn.labelPatience))
        versions = ReservedNumbers(
            directory: settings.learn.directory, name: "versions.reserved", owner: isLive ? "" : settings.learn.stream)
        var isRestored = false, goesOn = false
        if let (saved, waiting) = try store.restore(guided) {
            guard saved.isPlausible else {
                throw CheckpointMismatch("\(settings.learn.directory) holds a checkpoint whose counts cannot be; move it away")
            }
            (progress, isRestored) = (saved, true)
            if !isLive, saved.goesOn(with: settings.learn.stream, run: settings.learn.run) {
                (known, labels, goesOn) = (saved.events, waiting, true)
                ownTelemetry.gauges["learned"] = Double(known)
            } else {
                progress.begin(settings.learn.stream, run: settings.learn.run)
            }
        } else {
            progress.begin(settings.learn.stream, run: settings.learn.run)
        }
        // Versions published after the checkpoint have used their numbers.
        if !goesOn, isLive && isRestored || versions.reserved > progress.version {
            progress.version = max(progress.version, versions.reserved) + 1
        }
        if let damage = store.opened?.damage {
            ownTelemetry.drops.count(.checkpointDamaged, because: "\(damage); goes on from the checkpoint before")
        }
        decisions = try DecisionLearner(settings, from: store.opened) { [guided] in guided.serving }
        sessions = try SessionPublisher(settings, guided.learner.model, clock: clock, from: store.opened)
        if let problem = sessions?.problem { ownTelemetry.drops.count(.checkpointDamaged, because: "\(problem); sessions start again") }
    }

    public var telemetry: Telemetry {
        var telemetry = ownTelemetry
        if let decisions {
            telemetry.gauges.merge(decisions.gauges) { $1 }
            telemetry.drops.add(decisions.drops)
        }
        sessions?.addGauges(to: &telemetry)
        return telemetry
    }

    public mutating func process(_ input: Input, at now: Instant) throws(Refusal) -> [Outgoing] {
        var outputs = begin(at: now)
        switch input {
        case .order(let order): outputs.append(contentsOf: answer(order))
        case .event(.end, _) where progress.isFinished:  // in the checkpoint already, but not published in this run
            hasEnded = true
            outputs.append(update("end of the stream"))
        case .event(.end, _):
            hasEnded = true
            for one in labels.end() { learn(one) }
            progress.isFinished = true
            outputs += publish("end of the stream", at: now)
        case .event(_, _) where known > 0: known -= 1
        case .event(.moment(let moment, let input), _):
            defer { progress.events += 1 }
            outputs += try take(moment, input, at: now)
        case .event(.feedback(let feedback), _):
            defer { progress.events += 1 }
            if feedback.decision.isEmpty || feedback.hasLabel { try take(feedback) }
            if !feedback.decision.isEmpty { outputs += try decisions?.take(feedback, at: now) ?? [] }
        case .event(.decision(let record, let input), _):
            defer { progress.events += 1 }
            // for graphs that publish decisions without moments
            if record.action.ordinal.clampedSubtracting(progress.momentsSeen) <= Self.widestGap {
                progress.momentsSeen = max(progress.momentsSeen, record.action.ordinal)
            }
            outputs += try decisions?.take(record, input, at: now) ?? []
        }
        let version = progress.version
        return outputs + (sessions?.updatesAtOnce(with: version) ?? [])
    }

    public mutating func tick(at now: Instant) -> [Outgoing] {
        var outputs = begin(at: now) + (decisions?.tick(at: now) ?? [])
        guard isLive, !progress.isFinished, let lastPublished, let lastStored else { return outputs }
        if isAhead, now - lastPublished >= .seconds(clamping: settings.publishInterval) {
            isAhead = false
            self.lastPublished = now
            outputs.append(update("moments ran back"))
        }
        let isDue = (now - lastStored).inSeconds >= max(settings.checkpointInterval, Self.storingShare * storing)
        if isDue, progress.events != eventsStored || isOrdered { save(at: now) }
        if learned > 0, isMoved, now - lastPublished >= .seconds(clamping: settings.publishInterval) {
            outputs += publish("interval", at: now)
        }
        return outputs
    }

    /// Writes a checkpoint when the stage is stopped. A replay continues from its newest checkpoint, which lies between two moments.
    public mutating func finish(at now: Instant) -> [Outgoing] {
        if isLive, !progress.isFinished { save(at: now) }
        settle()
        decisions?.finish()
        return []
    }

    /// Publishes the current model first, so that all stages start from the same parameters.
    private mutating func begin(at now: Instant) -> [Outgoing] {
        guard lastPublished == nil else { return [] }
        (lastPublished, lastStored) = (now, now)
        cover()
        return [update("start")] + (decisions?.begin() ?? [])
    }

    /// Carries out an order; the message states what was done, or why nothing was.
    private mutating func answer(_ order: Order) -> [Outgoing] {
        var answer = OrderAnswer.with {
            ($0.orderSource, $0.orderEpoch, $0.orderSequence) = (order.stamp.source, order.stamp.epoch, order.stamp.sequence)
            ($0.momentsSeen, $0.modelVersion) = (progress.momentsSeen, progress.version)
        }
        do throws(Refusal) {
            answer.done = try guided.execute(order, at: progress.time).printable(atMost: Self.answerLength)
            answer.accepted = true
            isOrdered = true
        } catch {
            answer.reason = error.detail.printable(atMost: Self.answerLength)
            ownTelemetry.drops.count(error.reason, because: answer.reason)
        }
        return (try? Topics.orderAnswer("learn")).map { [Outgoing(answer, on: $0)] } ?? []  // the name is valid
    }

    /// The most characters of an answer's text, which quotes an order from outside.
    private static let answerLength = 512

    private mutating func take(_ moment: Moment, _ input: MomentInput, at now: Instant) throws(Refusal) -> [Outgoing] {
        guard moment.ordinal > progress.momentsSeen else {
            isAhead = isLive
            throw Refusal(.sequenceRunsBack, "moment \(moment.ordinal) after \(progress.momentsSeen)")
        }
        guard moment.ordinal - progress.momentsSeen <= Self.widestGap else {
            throw Refusal(.wrongShape, "moment \(moment.ordinal) after \(progress.momentsSeen)")
        }
        var outputs: [Outgoing] = []
        if (moment.ordinal - 1).clampedSubtracting(progress.momentsPublished) >= UInt64(settings.publishEvery) {
            progress.momentsSeen = moment.ordinal - 1
            if isMoved {
                outputs += publish("moments", at: now)
            } else {
                progress.momentsPublished = progress.momentsSeen
                outputs += newLines()
            }
        }
        progress.momentsSeen = moment.ordinal
        progress.time = max(progress.time, isLive ? now.nanoseconds : moment.end)
        newestArrival = moment.arrived
        if !moment.domain.isEmpty, moment.domain != progress.domain {
            if !progress.domain.isEmpty { guided.endDomain(accepted: isAccepted) }
            progress.domain = moment.domain
        }
        if holdOut > 0, moment.ordinal % holdOut == 0 { return outputs }  // held out for the evaluator
        for late in labels.overdue(at: moment.ordinal) {
            ownTelemetry.drops.count(.labelNeverCame)
            guided.note("join_rate", labels.joinRate)
            learn(late)
        }
        let requestsLabel = moment.kind == .labelRequest
        labels.wait(moment, input, isDue: requestsLabel)
        if !requestsLabel { learn(.init(moment: moment, input: input)) }
        return outputs
    }

    private mutating func take(_ feedback: Feedback) throws(Refusal) {
        guard feedback.hasLabel else { return }
        let classes = guided.learner.model.configuration.classes
        guard feedback.isWithin(classes) else {
            throw Refusal(.labelOutOfRange, "label \(feedback.label) of \(feedback.classes) classes, the model knows \(classes)")
        }
        switch labels.join(feedback) {
        case .joined(var complete):
            complete.input.label = Int(feedback.label)
            complete.input.classes = feedback.classes > 0 ? min(Int(feedback.classes), classes) : nil
            if let delay = feedback.delay(of: complete.moment) { ownTelemetry.latencies["label", default: QuantileSketch()].add(delay) }
            guided.note("join_rate", labels.joinRate)
            learn(complete)
        case .tooLate:
            throw Refusal(.labelTooLate, "the moment of \(feedback.session) at \(feedback.momentEnd) was learned without its label")
        case .orphan:
            if holdOut > 0 { return }  // it may belong to a held-out moment
            throw Refusal(.orphanLabel, "no moment waits for the label of \(feedback.session) at \(feedback.momentEnd)")
        }
    }

    private mutating func learn(_ complete: LabelJoin.Waiting) {
        let (watermark, serving) = (progress.watermark, guided.serving)
        sessions?.add(complete.moment, complete.input, watermark: watermark, shared: serving)
        progress.watermark = max(progress.watermark, complete.moment.ordinal)
        do {
            // nothing to learn from
            guard let outcome = try guided.learn(complete.input, source: complete.moment.session, at: progress.time) else { return }
            guard outcome.stepped else { return ownTelemetry.drops.count(.nonFinite) }
            losses += outcome.losses.total.isFinite ? outcome.losses.total : 0
            learned += 1
            ownTelemetry.gauges["learned", default: 0] += 1
        } catch {
            ownTelemetry.drops.count(.wrongShape)
        }
    }

    private mutating func publish(_ reason: String, at now: Instant) -> [Outgoing] {
        progress.version = progress.version.clampedAdding(1)
        cover()
        let verdict = guided.decide(at: progress.time)
        isAccepted = verdict.map { $0.decision == .accepted } ?? true
        if isAccepted { progress.servingWatermark = progress.watermark }
        let version = progress.version
        var outputs = sessions?.updates(before: version) ?? []
        outputs.append(
            update(verdict.map { $0.decision == .accepted ? reason : "\(reason); \($0.decision.rawValue): \($0.reason)" } ?? reason))
        if let verdict { outputs.append(Outgoing(verdict.message(guided.gate, progress), on: Topics.modelVerdict.only)) }
        outputs += newLines()
        progress.momentsPublished = progress.momentsSeen
        lastPublished = now
        if learned > 0 {
            ownTelemetry.latencies["update", default: QuantileSketch()].add(clock.now - Instant(nanoseconds: newestArrival))
        }
        (losses, learned) = (0, 0)
        (stepsPublished, isOrdered) = (guided.learner.steps, false)
        let isStoringDue = !isLive && progress.momentsSeen.clampedSubtracting(progress.momentsStored) >= UInt64(settings.checkpointEvery)
        if progress.isFinished || isStoringDue { save(at: now) }
        if progress.isFinished { settle() }
        return outputs
    }

    /// Whether there is anything new to publish; in lockstep a version is due after a number of moments, changed or not.
    private var isMoved: Bool { !isLive || isOrdered || guided.learner.steps != stepsPublished }

    /// The serving model as a message.
    private mutating func update(_ reason: String) -> Outgoing {
        let published = PublishedParameters(guided.serving)
        ownTelemetry.modelVersion = progress.version
        ownTelemetry.gauges["remembered"] = Double(guided.learner.memorySlots.count)
        ownTelemetry.gauges["rememberedBytes"] = Double(guided.learner.memoryBytes)
        let update = ModelUpdate.with {
            $0.version = progress.version
            $0.parent = progress.version > 0 ? progress.version - 1 : 0
            $0.momentWatermark = progress.servingWatermark
            $0.momentsSeen = progress.momentsSeen
            $0.sha256 = published.digest
            $0.configuration = store.configuration
            $0.reason = reason
            $0.loss = learned > 0 ? losses / Double(learned) : 0
            $0.last = hasEnded
            $0.arrived = newestArrival
            if known > 0 { $0.streamBase = progress.streamBase }
        }
        return Outgoing(update, on: Topics.modelUpdate.only, payload: published.payload.cut(into: frameBytes))
    }

    /// The ledger's lines that were added or updated since they were last published.
    private mutating func newLines() -> [Outgoing] {
        let ledger = guided.ledger
        let new = ledger.entries.filter { $0.serial >= lines.serial || $0.verdict == .quiet && $0.time > lines.time }
        guard let last = ledger.entries.last, !new.isEmpty else { return [] }
        lines = (last.serial + 1, progress.time)
        return [
            Outgoing(
                .with {
                    $0.lines = new.map { $0.message(at: progress.momentsSeen) }
                    $0.dropped = UInt64(ledger.dropped)
                }, on: Topics.triggerLedger.only)
        ]
    }

    /// The widest plausible gap between ordinals: a moment beyond it does not belong to this numbering.
    private static let widestGap: UInt64 = 1 << 40

    private mutating func cover() {
        do {
            try versions.cover(progress.version)
        } catch {
            ownTelemetry.drops.count(.checkpointFailed, because: "\(error)")
        }
    }

    /// Releases reserved versions that will not be published.
    private mutating func settle() { try? versions.settle(at: progress.version) }  // on failure they are skipped

    /// In live mode, writing checkpoints takes at most a twentieth of the time, however large the model.
    private static let storingShare = 20.0

    private mutating func save(at now: Instant) {
        let start = clock.now
        defer { storing = (clock.now - start).inSeconds }
        (lastStored, eventsStored) = (now, progress.events)
        progress.momentsStored = progress.momentsSeen
        decisions?.flush()
        do {
            try store.save(guided, progress, labels, others: (decisions?.files() ?? []) + (sessions?.files ?? []))
        } catch {
            ownTelemetry.drops.count(.checkpointFailed, because: "\(error)")
        }
    }
}
