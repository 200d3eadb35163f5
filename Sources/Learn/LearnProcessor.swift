import Configuration
import Memory
import Messaging
import Pipeline
import Privacy
import Schema
import Serving
import Statistics
import Tokenization
import Updates

/// The learner: learns from each moment once, applies its trigger rules, and publishes the model as it changes, through a gate where one is
/// configured.
///
/// Subscribes to `moment.*` (moments and the feedback that cites them, in one order) and an operator's `order.*`. Publishes
/// `model.update/`, `memory.update/`, `model.verdict/`, `trigger.ledger/`, an answer to each order and, where configured, `policy.update/` for decisions and
/// `model.update.<session>/` for sessions' own adapters. A moment that requests a label waits for it. Moments are learned in the order in
/// which they are complete, so equal streams give equal models.
public struct LearnProcessor: Processor {
    let settings: LearnSettings
    let holdOut: UInt64
    let isLive: Bool
    /// Updates are split into frames of this size.
    let frameBytes: Int
    /// Measures how long an update took; nothing else depends on it.
    let clock: any TimeSource
    let guided: GuidedLearner
    /// Encodes corrections.
    let tokenizer: any Tokenizer
    /// The answers that were corrected, and whether that changed since it was last published.
    var corrections: CorrectionMemory, isMemoryNew = false
    /// The texts that came, and whether they changed since they were last published, and when that was.
    var texts: TextMemory
    /// The newest moments that asked for an answer, which may be corrected long after they were learned.
    var asked: [LabelJoin.Waiting] = []
    let answers: AnswerSettings
    var sessions: SessionPublisher?
    /// Signs updates; nil where none are signed.
    var passports: PassportSigner?
    /// The model as subscribers have it, and what answers them; nil where updates are whole and nobody asks.
    var published: PublishedModel?, server: UpdateServer?
    /// When a whole model was last published, and the newest policy and memory were signed.
    var lastWhole: Instant?, signedPolicy: Instant?, signedMemory: Instant?
    let store: CheckpointStore
    var progress: LearnProgress
    var labels: LabelJoin
    let privacy: PrivacySettings
    /// Moments that their session's adapters alone may learn from, until their labels come. They are in no checkpoint.
    var own: LabelJoin
    /// Moments and decisions that nothing learns from, by their ids.
    var withheld: RecentTable<String, Bool>
    /// Live mode: complete moments that wait for their steps, and since when.
    var backlog: [(moment: LabelJoin.Waiting, since: Instant)] = []
    /// Reserved version numbers, each of which is used only once.
    var versions: ReservedNumbers
    /// Live mode: fuse has sent an ordinal that was seen before, and needs an update with the current ordinal.
    var isAhead = false
    /// The number of events, of a stream that starts again, that the checkpoint has processed already and that are skipped.
    var known: UInt64 = 0
    var newestArrival: Int64 = 0
    var losses = 0.0
    var learned = 0
    var isAccepted = true
    /// The learner's steps when its model was last published, and whether an operator has changed it since.
    var stepsPublished = 0, isOrdered = false
    /// Whether the end of the stream has been received in this run; a restored checkpoint may be of its end already.
    var hasEnded = false
    /// The ledger's lines published so far: up to this serial, and the time of the newest of them.
    var lines = (serial: 0, time: Int64.min)
    /// The newest versions with what moved them, and the time of learning since the last version.
    var explained: [ExplainedUpdate] = [], learning = Duration.zero
    var lastPublished: Instant?
    var lastStored: Instant?
    /// The number of events in the newest checkpoint, and the seconds that writing it took.
    var eventsStored: UInt64 = 0, storing = 0.0
    /// The versions to which an operator can go back.
    var kept: KeptVersions
    var decisions: DecisionLearner?
    /// Reads what was missed from fuse's journal; nil without one. The directory of ingest's journal.
    var catchUp: MomentCatchUp?
    let readings: String
    /// Whether it goes on from a checkpoint.
    let isRestored: Bool
    var ownTelemetry = Telemetry()

    /// Continues from the newest checkpoint of the configured directory, or starts from the seed where there is none.
    /// - Throws: the error of invalid settings, or of a checkpoint that cannot be used.
    public init(_ settings: GraphSettings, clock: any TimeSource) throws {
        self.settings = settings.learn
        holdOut = UInt64(settings.evaluate.holdOut)
        isLive = settings.mode == .live
        frameBytes = settings.messaging.frameBytes
        self.clock = clock
        store = try CheckpointStore(directory: settings.learn.directory, model: settings.model, tokenizer: settings.signals.text.tokenizer)
        kept = KeptVersions(directory: settings.learn.directory, most: settings.learn.keptVersions)
        guided = try GuidedLearner(settings)
        let path = settings.signals.text.tokenizer
        tokenizer = path.isEmpty ? ByteTokenizer() : try openTokenizer(path: path)
        (progress, labels) = (LearnProgress(), LabelJoin(patience: settings.learn.labelPatience))
        (privacy, own) = (settings.privacy, LabelJoin(patience: settings.learn.labelPatience))
        withheld = RecentTable(capacity: max(1, settings.learn.labelPatience))
        answers = settings.answer
        corrections = CorrectionMemory(
            capacity: settings.learn.corrections, byteCapacity: Self.correctionBytes, tokenizer: self.tokenizer)
        texts = TextMemory(settings.learn.tokenMemory, vocabularySize: settings.model.text.vocabulary)
        versions = ReservedNumbers(
            directory: settings.learn.directory, name: "versions.reserved", owner: isLive ? "" : settings.learn.stream)
        var isRestored = false, goesOn = false
        if let (saved, waiting, unlearned) = try store.restore(guided) {
            guard saved.isPlausible else {
                throw CheckpointMismatch("\(settings.learn.directory) holds a checkpoint whose counts cannot be; move it away")
            }
            guard saved.local != true || settings.privacy.local else {
                throw CheckpointMismatch(
                    "\(settings.learn.directory) holds a model that has learned from what may not leave this machine; set privacy.local, "
                        + "choose another directory, or move it away")
            }
            (progress, isRestored) = (saved, true)
            if !isLive, saved.goesOn(with: settings.learn.stream, run: settings.learn.run) {
                (known, labels, goesOn) = (saved.events, waiting, true)
                ownTelemetry.gauges["learned"] = Double(known)
            } else {
                progress.begin(settings.learn.stream, run: settings.learn.run)
                // With a journal the stream goes on where the checkpoint ends.
                if isLive, settings.journal.moments != nil, saved.position != nil {
                    labels = waiting
                    backlog = unlearned.map { ($0, Instant(nanoseconds: 0)) }
                }
            }
        } else {
            progress.begin(settings.learn.stream, run: settings.learn.run)
        }
        try guided.countSpending(in: settings.learn.directory)
        // Versions published after the checkpoint have used their numbers.
        if !goesOn, isLive && isRestored || versions.reserved > progress.version {
            progress.version = max(progress.version, versions.reserved) + 1
        }
        if let damage = store.opened?.damage {
            ownTelemetry.drops.count(.checkpointDamaged, because: "\(damage); goes on from the checkpoint before")
        }
        passports = try settings.passportSigner()
        if settings.answersSubscribers {
            published = PublishedModel(guided.serving.layout.shapes, settings.learn.updates)
            server = UpdateServer(settings.learn.updates, trust: try settings.updateTrust())
        }
        self.isRestored = isRestored
        readings = settings.journal.readings ?? ""
        if isLive, let moments = settings.journal.moments {
            catchUp = MomentCatchUp(
                moments, limits: settings.messaging, from: progress, readsOn: !isRestored || progress.position != nil)
        }
        restoreCorrections()
        restoreTexts()
        restoreInfluence()
        decisions = try DecisionLearner(settings, from: store.opened) { [guided] in guided.serving }
        sessions = try SessionPublisher(settings, guided.learner.model, clock: clock, from: store.opened)
        beginInfluence()
        if let problem = sessions?.problem { ownTelemetry.drops.count(.checkpointDamaged, because: "\(problem); sessions start again") }
    }

    public var telemetry: Telemetry {
        var telemetry = ownTelemetry
        if let decisions {
            telemetry.gauges.merge(decisions.gauges) { $1 }
            telemetry.drops.add(decisions.drops)
        }
        sessions?.addGauges(to: &telemetry)
        telemetry.gauges.merge(guided.privacyGauges) { $1 }
        addJournal(to: &telemetry)
        addSubscribers(to: &telemetry)
        return telemetry
    }

    public mutating func process(_ input: Input, at now: Instant) throws(Refusal) -> [Outgoing] {
        signed(try take(input, at: now), at: now)
    }

    private mutating func take(_ input: Input, at now: Instant) throws(Refusal) -> [Outgoing] {
        if case .request(let request, let name, let peer) = input { return try answer(request, from: name, peer, at: now) }
        var outputs = begin(at: now)
        if case .journaled(let message, let stamp, let position) = input {
            return outputs + (try take(message, stamp, position: position, at: now))
        }
        switch input {
        case .order(let order): outputs.append(contentsOf: answer(order, at: now))
        case .event(.end, _) where progress.isFinished:  // in the checkpoint already, but not published in this run
            hasEnded = true
            outputs += update("end of the stream", at: now)
        case .event(.end, _):
            hasEnded = true
            for one in labels.end() { learn(one, at: now) }
            while hasWork { workOff(at: clock.now) }
            progress.isFinished = true
            outputs += publish("end of the stream", at: now)
        case .journaled, .request: break  // taken above
        case .event(_, _) where known > 0: known -= 1
        case .event(.moment(let moment, let input), _):
            defer { progress.events += 1 }
            progress.reach(moment.journal)
            outputs += try take(moment, input, at: now)
        case .event(.withheld(let place), _):  // from the journal: what it was has been predicted on, and is gone
            defer { progress.events += 1 }
            progress.reach(place.journal)
            if place.ordinal > 0 { outputs += try see(place.ordinal, at: now) }
        case .event(.feedback(let feedback), _):
            defer { progress.events += 1 }
            progress.reach(feedback.journal)
            if feedback.decision.isEmpty || feedback.hasLabel || !feedback.text.isEmpty { try take(feedback, at: now) }
            if !feedback.decision.isEmpty, learns(feedback.consent), withheld[feedback.decision] == nil {
                outputs += try decisions?.take(feedback, at: now) ?? []
            }
        case .event(.decision(let record, let input), _):
            defer { progress.events += 1 }
            // for graphs that publish decisions without moments
            if record.action.ordinal.clampedSubtracting(progress.momentsSeen) <= Self.widestGap {
                progress.momentsSeen = max(progress.momentsSeen, record.action.ordinal)
            }
            if learns(record.consent.orStricter(record.moment.consent)) {
                outputs += try decisions?.take(record, input, at: now) ?? []
            } else {
                noteWithheld(record.action.decision)
            }
        }
        let version = progress.version
        return outputs + (isLive ? newMemory(at: now) : []) + (sessions?.updatesAtOnce(with: version) ?? [])
    }

    public var hasWork: Bool { !backlog.isEmpty || guided.hasOpenCorrection }

    /// Live mode: learns, while no input waits.
    public mutating func work(at now: Instant) -> [Outgoing] {
        workOff(at: now)
        let version = progress.version
        return signed(sessions?.updatesAtOnce(with: version) ?? [], at: now)
    }

    public mutating func tick(at now: Instant) -> [Outgoing] { signed(renewed(at: now) + beat(at: now), at: now) + releases(at: now) }

    private mutating func beat(at now: Instant) -> [Outgoing] {
        var outputs = begin(at: now) + (isLive ? newMemory(at: now) : []) + (decisions?.tick(at: now) ?? []) + readOn(at: now)
        guard isLive, !progress.isFinished, let lastPublished, let lastStored else { return outputs }
        if isAhead, now - lastPublished >= .seconds(clamping: settings.publishInterval) {
            isAhead = false
            self.lastPublished = now
            outputs += update("moments ran back", at: now)
        }
        let isDue = (now - lastStored).inSeconds >= max(settings.checkpointInterval, Self.storingShare * storing)
        if isDue, progress.events != eventsStored || isOrdered {
            // So that the checkpoint is of a version, to which an operator can go back.
            if settings.keptVersions > 0, settings.publishInterval <= settings.checkpointInterval, learned > 0, isMoved {
                outputs += publish("checkpoint", at: now)
            }
            save(at: now)
        }
        // Before a passport expires, and with it the only update that late subscribers get, it is replaced.
        if let passports, now - lastPublished >= passports.renewal { return outputs + publish("renewal", at: now) }
        if learned > 0, isMoved, now - lastPublished >= .seconds(clamping: settings.publishInterval) {
            outputs += publish("interval", at: now)
        }
        return outputs
    }

    /// Writes a checkpoint when the stage is stopped. A replay continues from its newest checkpoint, which lies between two moments.
    public mutating func finish(at now: Instant) -> [Outgoing] {
        if catchUp == nil {
            for one in backlog { postpone(one.moment) }
            backlog = []
        }
        if isLive, !progress.isFinished { save(at: now) }
        settle()
        decisions?.finish()
        return []
    }

    /// Publishes the current model first, so that all stages start from the same parameters.
    private mutating func begin(at now: Instant) -> [Outgoing] {
        guard lastPublished == nil else { return [] }
        (lastPublished, lastStored) = (now, now)
        for index in backlog.indices { backlog[index].since = now }
        cover()
        return newMemory(at: now) + update("start", at: now) + (decisions?.begin() ?? [])
    }
}
