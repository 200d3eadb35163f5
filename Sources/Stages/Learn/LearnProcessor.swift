import Learning
import Messaging
import Model
import Pipeline
import Schema
import Statistics

/// The learner: learns from each moment once, and publishes the model as it changes.
///
/// Hears `moment.*` (moments and the feedback that cites them, in one order); tells `model.update/` and, where they are configured, `policy.update/` for
/// decisions and `model.update.<session>/` for sessions' own adapters. A moment that asks for a label waits for it; the
/// order of learning is the order in which moments are complete, so equal streams give equal models.
public struct LearnProcessor: Processor {
    public struct Input: Inbound, Sendable {
        public let stamp: Stamp
        let message: MomentMessage

        public init(_ message: WireMessage) throws(Refusal) {
            let event: MomentEvent = try message.decode()
            stamp = event.stamp
            self.message = try MomentMessage(message, event)
        }
    }

    private struct Waiting: Sendable {
        var moment: Moment
        var input: MomentInput
    }

    private let settings: LearnSettings
    private let isLive: Bool
    /// Measures how long an update took; nothing else depends on it.
    private let clock: any TimeSource
    private let learner: OnlineLearner
    private var sessions: SessionPublisher?
    private let store: CheckpointStore
    private var progress: LearnProgress
    private var waiting: [Waiting] = []
    private var newestArrival: Int64 = 0
    private var losses = 0.0
    private var learned = 0
    private var lastPublished: Instant?
    private var lastStored: Instant?
    private var decisions: DecisionLearner?
    private var told = Telemetry()

    /// Goes on from the newest checkpoint of the configured directory, or starts from the seed where there is none.
    /// - Throws: what is wrong with the settings, or with the checkpoint.
    public init(_ settings: Settings, clock: any TimeSource) throws {
        self.settings = settings.learn
        isLive = settings.mode == .live
        self.clock = clock
        store = try CheckpointStore(directory: settings.learn.directory, model: settings.model)
        learner = try OnlineLearner(MultimodalModel(settings.model), settings.learner, seed: UInt64(settings.seed))
        if let restored = try store.restore(learner) {
            progress = restored
        } else {
            progress = LearnProgress()
            if !settings.model.gpt2.isEmpty { try learner.model.takeTrunk(from: settings.model.gpt2, into: learner.parameters) }
        }
        decisions = try DecisionLearner(settings)
        sessions = try SessionPublisher(settings, learner.model, clock: clock)
    }

    public var telemetry: Telemetry {
        var telemetry = told
        if let decisions {
            telemetry.gauges.merge(decisions.gauges) { $1 }
            telemetry.drops.add(decisions.drops.counts)
        }
        sessions?.tell(&telemetry)
        return telemetry
    }

    public mutating func process(_ input: Input, at now: Instant) throws(Refusal) -> [Outgoing] {
        var outputs = begin(at: now)
        switch input.message {
        case .moment(let moment, let input): outputs += try take(moment, input, at: now)
        case .feedback(let feedback):
            if feedback.decision.isEmpty || feedback.hasLabel { try take(feedback) }
            if !feedback.decision.isEmpty { outputs += try decisions?.take(feedback, at: now) ?? [] }
        case .decision(let record): outputs += try decisions?.take(record, at: now) ?? []
        case .end:
            for one in waiting { learn(one) }
            waiting.removeAll()
            progress.isFinished = true
            outputs += publish("end of the stream", at: now)
        }
        let version = progress.version
        return outputs + (sessions?.updatesAtOnce(with: version) ?? [])
    }

    public mutating func tick(at now: Instant) -> [Outgoing] {
        var outputs = begin(at: now) + (decisions?.tick(at: now) ?? [])
        guard isLive, !progress.isFinished, let lastPublished, let lastStored else { return outputs }
        if seconds(from: lastStored, to: now) >= settings.checkpointInterval { save(at: now) }
        if learned > 0, seconds(from: lastPublished, to: now) >= settings.publishInterval { outputs += publish("interval", at: now) }
        return outputs
    }

    /// Writes what was learned: the stage has been told to stop.
    public mutating func finish(at now: Instant) -> [Outgoing] {
        if !progress.isFinished { save(at: now) }
        return []
    }

    /// The model as it stands, first of all, so that everybody starts from the same.
    private mutating func begin(at now: Instant) -> [Outgoing] {
        guard lastPublished == nil else { return [] }
        lastStored = now
        return publish("start", at: now) + (decisions?.begin() ?? [])
    }

    private mutating func take(_ moment: Moment, _ input: MomentInput, at now: Instant) throws(Refusal) -> [Outgoing] {
        guard moment.ordinal > progress.momentsSeen else {
            throw Refusal(.sequenceRunsBack, "moment \(moment.ordinal) after \(progress.momentsSeen)")
        }
        var outputs: [Outgoing] = []
        if moment.ordinal - 1 - progress.momentsPublished >= UInt64(settings.publishEvery) {
            progress.momentsSeen = moment.ordinal - 1
            outputs += publish("moments", at: now)
        }
        progress.momentsSeen = moment.ordinal
        newestArrival = moment.arrived
        waiting.append(Waiting(moment: moment, input: input))
        while let first = waiting.first, first.moment.ordinal + UInt64(settings.labelPatience) < moment.ordinal {
            told.drops.count(.labelNeverCame)
            learn(waiting.removeFirst())
        }
        if moment.kind != .labelRequest { learn(waiting.removeLast()) }
        return outputs
    }

    private mutating func take(_ feedback: Feedback) throws(Refusal) {
        guard feedback.hasLabel else { return }
        guard Int(feedback.label) < learner.model.configuration.classes else {
            throw Refusal(.labelOutOfRange, "label \(feedback.label), the model knows \(learner.model.configuration.classes) classes")
        }
        guard let index = waiting.firstIndex(where: { feedback.cites($0.moment) }) else {
            throw Refusal(.orphanLabel, "no moment waits for the label of \(feedback.session) at \(feedback.momentEnd)")
        }
        var complete = waiting.remove(at: index)
        complete.input.label = Int(feedback.label)
        complete.input.classes = feedback.classes > 0 ? min(Int(feedback.classes), learner.model.configuration.classes) : nil
        learn(complete)
    }

    private mutating func learn(_ complete: Waiting) {
        let (watermark, parameters) = (progress.watermark, learner.parameters)
        sessions?.hear(complete.moment, complete.input, watermark: watermark, shared: parameters)
        progress.watermark = max(progress.watermark, complete.moment.ordinal)
        do {
            guard let outcome = try learner.learn(complete.input) else { return }  // nothing to learn from
            guard outcome.stepped else { return told.drops.count(.nonFinite) }
            losses += outcome.losses.total
            learned += 1
        } catch {
            told.drops.count(.wrongShape)
        }
    }

    private mutating func publish(_ reason: String, at now: Instant) -> [Outgoing] {
        if lastPublished != nil { progress.version += 1 }
        let (payload, digest) = store.encode(learner)
        let update = ModelUpdate.with {
            $0.version = progress.version
            $0.parent = progress.version > 0 ? progress.version - 1 : 0
            $0.momentWatermark = progress.watermark
            $0.momentsSeen = progress.momentsSeen
            $0.sha256 = digest
            $0.configuration = store.configuration
            $0.reason = reason
            $0.loss = learned > 0 ? losses / Double(learned) : 0
            $0.last = progress.isFinished
            $0.arrived = newestArrival
        }
        progress.momentsPublished = progress.momentsSeen
        lastPublished = now
        if progress.isFinished { save(at: now) }
        if learned > 0 { told.latencies["update", default: QuantileSketch()].add(Double(clock.now.nanoseconds - newestArrival) / 1e9) }
        told.modelVersion = progress.version
        losses = 0
        learned = 0
        let version = progress.version
        let adapted = sessions?.updates(before: version) ?? []
        return adapted + [Outgoing(update, on: Topics.modelUpdate.only, payload: [payload])]
    }

    private mutating func save(at now: Instant) {
        lastStored = now
        decisions?.save()
        do {
            try store.save(learner, progress)
            try sessions?.save()
        } catch {
            told.drops.count(.checkpointFailed)
        }
    }

    private func seconds(from start: Instant, to end: Instant) -> Double { Double(end.nanoseconds - start.nanoseconds) / 1e9 }
}

/// Where a learner stands in its stream; part of its checkpoint.
public struct LearnProgress: Codable, Sendable, Equatable {
    public var version: UInt64 = 0
    /// Greatest ordinal of a moment learned from.
    public var watermark: UInt64 = 0
    /// Ordinal of the newest moment received, and the same at the newest published update.
    public var momentsSeen: UInt64 = 0
    public var momentsPublished: UInt64 = 0
    public var isFinished = false

    public init() {}
}

extension Feedback {
    /// Whether this speaks of `other`: by its id, or by its session and end.
    func cites(_ other: Moment) -> Bool {
        moment.isEmpty ? session == other.session && momentEnd == other.end : moment == other.id
    }
}
