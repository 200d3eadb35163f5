import Configuration
import Journal
import Messaging
import Model
import Moments
import Pipeline
import Schema
import Serving
import Statistics
import Timing

/// Aligns the senses' features into moments, and predicts on each with the newest model.
///
/// Subscribes to `feature.*` of the extractors, `feedback.*` and `explain.*` of ingest, and `model.update/`, `model.delta/`,
/// `model.update.*`, `memory.update/`, `policy.update/` and `order.answer.*` of the learner, which it asks for models that it has missed.
/// Publishes `moment.<session>/`, `prediction.<session>/`, `reliability.<session>/`, `explanation.<session>/` and, where decisions and
/// generated answers are configured, `action.<session>/` and `answer.<session>/`.
public struct FuseProcessor: Processor {
    /// What extractors, ingest and the learner publish.
    public enum Input: Inbound, Sendable {
        case feature(FeatureFrame, modality: String, values: [Float])
        case feedback(Feedback)
        case explain(ExplainRequest)
        case update(ModelUpdate, payload: WireMessage)
        case policy(PolicyUpdate, payload: WireMessage)
        case adapters(SessionUpdate, payload: WireMessage)
        case memory(MemoryUpdate)
        case ordered(OrderAnswer)
        case release(UpdateRelease)
        case answer(UpdateAnswer, payload: WireMessage)

        public init(_ message: WireMessage) throws(Refusal) {
            let topic = message.topic
            if let names = Topics.feature.components(of: topic) {
                let feature: FeatureFrame = try message.decode()
                var values: [Float] = []
                if case .frame(let frame) = feature.content {
                    guard TopicComponent.isValid(frame.session), frame.modality == names[0], message.payload.count == 1 else {
                        throw Refusal(
                            .undecodable, "a frame of '\(frame.modality.prefix(64))' in '\(frame.session.prefix(64))' on \(topic)")
                    }
                    values = try Array(message.payload[0])
                    guard values.count == Int(frame.rows).clampedMultiplying(by: Int(frame.columns)), frame.validity.isFinite else {
                        throw Refusal(.wrongShape, "\(values.count) values for \(frame.rows) × \(frame.columns)")
                    }
                }
                self = .feature(feature, modality: names[0], values: values)
            } else if Topics.feedback.components(of: topic) != nil {
                let feedback: Feedback = try message.decode()
                guard TopicComponent.isValid(feedback.session) else { throw Refusal(.badSession, String(feedback.session.prefix(64))) }
                self = .feedback(feedback)
            } else if Topics.explain.components(of: topic) != nil {
                self = .explain(try message.decode())
            } else if Topics.modelUpdate.components(of: topic) != nil || Topics.modelDelta.components(of: topic) != nil {
                self = .update(try message.decode(), payload: message)
            } else if Topics.updateAnswer.components(of: topic) != nil {
                self = .answer(try message.decode(), payload: message)
            } else if Topics.modelRelease.components(of: topic) != nil {
                self = .release(try message.decode())
            } else if Topics.memoryUpdate.components(of: topic) != nil {
                self = .memory(try message.decode())
            } else if Topics.orderAnswer.components(of: topic) != nil {
                self = .ordered(try message.decode())
            } else if Topics.policyUpdate.components(of: topic) != nil {
                self = .policy(try message.decode(), payload: message)
            } else if let names = Topics.sessionUpdate.components(of: topic) {
                self = .adapters(try message.sessionUpdate(of: names[0]), payload: message)
            } else {
                throw Refusal(.unknownTopic, String(topic.prefix(128)))
            }
        }

        public var stamp: Stamp {
            switch self {
            case .feature(let feature, _, _): feature.stamp
            case .feedback(let feedback): feedback.stamp
            case .explain(let request): request.stamp
            case .update(let update, _): update.stamp
            case .policy(let update, _): update.stamp
            case .adapters(let update, _): update.stamp
            case .memory(let update): update.stamp
            case .ordered(let answer): answer.stamp
            case .release(let release): release.stamp
            case .answer(let answer, _): answer.stamp
            }
        }
    }

    let settings: GraphSettings
    private let extents: [String: Int]
    var aligner: MomentAligner
    private let assembly: MomentAssembly
    private var subscription: ModelSubscription
    private var predictor: Predictor
    private var ordinal: UInt64 = 0
    /// Live mode: the ordinals used so far, from which fuse continues after a restart. In lockstep moments are numbered as in the stream.
    private var ordinals: ReservedNumbers
    private var feedback: [(message: Feedback, arrived: Int64)] = []
    private var feedbackReceived: UInt64 = 0
    /// The newest boundary before any feedback, and the number of feedback messages after it.
    private var newest: (boundary: UInt64, feedback: Int) = (0, 0)
    private var ownTelemetry = Telemetry()
    /// Nil without a journal, as what has become of ingest's.
    var journal: MomentJournal?
    var readings: JournaledReadings?
    /// When it was recorded last which readings are needed.
    var released: Instant?

    /// - Parameters:
    ///   - settings: of the graph.
    ///   - clock: measures latencies.
    ///   - apart: whether answers are generated and updates are checked on queues of their own, in live mode; without it, between two
    ///     inputs.
    ///   - journal: in live mode, what is published is written to it; nil: there is none.
    /// - Throws: `SettingsError` where the model's settings are invalid, `JournalError` where the journal cannot be read.
    public init(_ settings: GraphSettings, clock: any TimeSource, apart: Bool = false, journal: (any AppendableJournal)? = nil) throws {
        self.settings = settings
        self.journal = settings.mode == .live ? journal.map { MomentJournal($0) } : nil
        let followed = settings.extracted.filter { !settings.signals.isOutside($0) }
        if settings.mode == .live, let journal {
            readings = try JournaledReadings(followed, patience: .seconds(clamping: settings.journal.patience), from: journal)
        }
        let columns = settings.model.senses.map { ($0.name, $0.columns) } + [(MultimodalConfiguration.textName, 1)]
        extents = Dictionary(uniqueKeysWithValues: columns)
        ordinals = ReservedNumbers(directory: settings.mode == .live ? settings.learn.directory : "", name: "moments.reserved")
        ordinal = ordinals.reserved
        let isLockstep = settings.mode == .lockstep
        aligner = MomentAligner(
            settings.alignment(inLockstep: isLockstep), modalities: settings.extracted, policies: settings.alignmentPolicies,
            waitsForAll: isLockstep,
            journaled: readings == nil
                ? nil : .init(modalities: followed, patience: Int64(nanosecondsIn: settings.journal.patience)))
        if let closed = readings?.closed { aligner.restore(epoch: closed.epoch, closed: closed.ordinal) }
        assembly = try MomentAssembly(settings)
        predictor = try Predictor(settings, clock: clock, answersApart: apart && settings.mode == .live)
        subscription = try ModelSubscription(settings, "fuse", predictor.layout, apart: apart)
        if let probes = predictor.probes { subscription.try(on: probes, tolerance: settings.fuse.probeTolerance) }
    }

    public var telemetry: Telemetry {
        var telemetry = predictor.telemetry
        telemetry.drops.add(ownTelemetry.drops)
        if let journal { telemetry.drops.add(journal.drops) }
        telemetry.modelVersion = predictor.serving?.version ?? 0
        telemetry.gauges = [
            "moments": Double(ordinal), "early": Double(aligner.early), "outOfOrder": Double(aligner.outOfOrder),
        ]
        telemetry.drops.add(subscription.drops)
        telemetry.gauges.merge(subscription.gauges) { own, _ in own }
        telemetry.gauges.merge(predictor.gauges) { own, _ in own }
        if let readings { telemetry.gauges.merge(readings.gauges) { own, _ in own } }
        return telemetry
    }

    public mutating func process(_ input: Input, at now: Instant) throws(Refusal) -> [Outgoing] {
        switch input {
        case .feature(let feature, let modality, let values) where feature.hasPlace && readings?.follows(modality) == true:
            try receive(feature, of: modality, values, at: now)
        case .feature(let feature, let modality, let values):
            readings?.leave(modality)
            try take(feature, of: modality, values, at: now)
        case .feedback(let one) where isReceived(one, at: now): break
        case .feedback(let one) where !one.givenUp.isEmpty: readings?.giveUp(one.journal, because: Reason(rawValue: one.givenUp))
        case .feedback(let one):
            newest = one.afterBoundary == newest.boundary ? (newest.boundary, newest.feedback + 1) : (one.afterBoundary, 1)
            feedbackReceived += 1  // refused feedback counts as received too, so that no moment waits for it
            guard isRoom else {
                readings?.giveUp(one.journal, because: .overflow)
                throw Refusal(.overflow, "too much feedback waits for its moments")
            }
            feedback.append((one, now.nanoseconds))
        case .explain(let request): return [try predictor.explain(request)]
        case .adapters(let update, let message): try predictor.adopt(update, payload: message)
        case .update(let update, let message):
            if try subscription.take(update, payload: message, at: now) { follow(update) }
        case .answer(let answer, let message):
            if let update = try subscription.take(answer, payload: message, at: now) { follow(update) }
        case .release(let release): try subscription.take(release)
        case .memory(let update): try predictor.adopt(update)
        case .ordered(let answer): predictor.follow(answer)
        case .policy(let update, let message): try predictor.adopt(update, payload: message)
        }
        return advance(at: now)
    }

    /// After a restart of this process the ordinals continue; where the stream itself starts again, they start at its base.
    private mutating func follow(_ update: ModelUpdate) {
        ordinal = max(ordinal, update.hasStreamBase ? update.streamBase : update.momentsSeen)
    }

    mutating func take(_ feature: FeatureFrame, of modality: String, _ values: [Float], at now: Instant) throws(Refusal) {
        switch feature.content {
        case .frame(let frame):
            guard let columns = extents[frame.modality] else {
                throw Refusal(.unknownModality, "the model has no sense '\(frame.modality)'")
            }
            guard Int(frame.columns) == columns else {
                throw Refusal(.wrongShape, "\(frame.columns) columns of \(frame.modality), not \(columns)")
            }
            if let reason = aligner.insert(.init(frame: frame, values: values, reading: feature.place.ordinal), at: now.nanoseconds) {
                throw Refusal(Reason(rawValue: reason.rawValue), "\(frame.modality) of \(frame.source) at \(frame.time)")
            }
        case .boundary(let boundary):
            if let reason = aligner.insert(boundary, from: modality, record: feature.place.ordinal, at: now.nanoseconds) {
                throw Refusal(Reason(rawValue: reason.rawValue), "boundary \(boundary.ordinal)")
            }
        case .givenUp, nil:
            throw Refusal(.undecodable, "a feature frame without content")
        }
    }

    public mutating func tick(at now: Instant) -> [Outgoing] {
        journal?.noteFailures()
        predictor.storeLabels(at: now)
        return advance(at: now) + predictor.continueAnswer() + coverage(at: now)
    }

    /// Writes the labels that are recalled, for a graph that goes on after this one.
    /// - Throws: `FileError`.
    package func storeLabels(at path: String) throws { try predictor.writeLabels(to: path) }

    public mutating func finish(at now: Instant) -> [Outgoing] {
        predictor.storeLabels(at: nil)
        try? ordinals.settle(at: ordinal)  // on failure the reserved ordinals are skipped
        journal?.close()
        return journal?.release() ?? []
    }

    /// In lockstep feedback is counted between two boundaries, so that refusals do not depend on the progress of moments.
    var isRoom: Bool {
        settings.mode == .lockstep ? newest.feedback <= settings.fuse.maximumPending : feedback.count < settings.fuse.maximumPending
    }

    private mutating func advance(at now: Instant) -> [Outgoing] {
        for update in subscription.advance(at: now) { follow(update) }
        var outputs = subscription.requests(at: now)
        // In lockstep ordinals start from the learner's progress.
        if settings.mode == .lockstep && subscription.models.versions.isEmpty { return outputs }
        while let slice = aligner.close(at: now.nanoseconds, feedback: feedbackReceived) {
            release(upTo: slice.boundary.ordinal.clampedSubtracting(1), of: slice.boundary.epoch, at: now, into: &outputs)
            publish(slice, into: &outputs)
        }
        release(upTo: aligner.closed, of: aligner.epoch, at: now, into: &outputs)
        return released(outputs + predictor.advance(&subscription.models, at: now))
    }

    /// Publishes an event of the stream to learn and evaluate.
    private mutating func publish(
        _ session: String, payload: [[Float]] = [], of slice: MomentAligner.Slice? = nil, into outputs: inout [Outgoing],
        _ event: MomentEvent.OneOf_Event
    ) {
        guard let topic = Topics.moments(of: session) else { return ownTelemetry.drops.count(.badSession) }
        var message = MomentEvent.with { $0.event = event }
        write(&message, of: slice, payload: payload)
        outputs.append(Outgoing(message, on: topic, payload: payload.map { Payload($0) }))
    }

    /// Publishes the moment of a slice, and queues it for prediction.
    private mutating func publish(_ slice: MomentAligner.Slice, into outputs: inout [Outgoing]) {
        if slice.boundary.last {
            return publish(Topics.endOfMoments, of: slice, into: &outputs, .end(.with { $0.moments = ordinal }))
        }
        ordinal = ordinal.clampedAdding(1)
        do {
            try ordinals.cover(ordinal)
        } catch {
            ownTelemetry.drops.count(.checkpointFailed)
        }
        let (moment, payload) = assembly.moment(slice, ordinal: ordinal)
        if let input = MomentInput(moment, payload: payload), settings.model.accepts(input) {
            predictor.add(moment, input)
        } else {
            ownTelemetry.drops.count(.wrongShape)
        }
        guard !predictor.decidesAlone else {
            _ = readings?.decide(slice.readings, of: slice.boundary)
            return
        }
        publish(moment.session, payload: payload, of: slice, into: &outputs, .moment(moment))
    }

    /// Publishes the feedback that arrived before the boundary after `boundary`, in order among the moments.
    private mutating func release(upTo boundary: UInt64, of epoch: UInt64, at now: Instant, into outputs: inout [Outgoing]) {
        var released = 0
        for one in feedback {
            guard one.message.isAfter(boundary, of: epoch) || isOverdue(one.arrived, at: now) else { break }
            publish(one.message.session, into: &outputs, .feedback(one.message))
            predictor.add(one.message)
            released += 1
        }
        feedback.removeFirst(released)
    }

    /// In live mode, feedback does not wait for a boundary that ingest lost in a restart.
    private func isOverdue(_ arrived: Int64, at now: Instant) -> Bool {
        let patience = settings.fuse.lateness + settings.fuse.sourceTimeout + (readings == nil ? 0 : settings.journal.patience)
        return settings.mode == .live && now - Instant(nanoseconds: arrived) > .seconds(clamping: patience)
    }
}
