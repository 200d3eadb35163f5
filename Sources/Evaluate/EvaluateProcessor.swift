import Configuration
import Evaluation
import Foundation
import Messaging
import Model
import Moments
import Pipeline
import Schema
import Serving
import Statistics

/// The prequential evaluator: scores each moment with a model that has not learned from it, beside the same model with one sense masked
/// and beside the frozen baseline, the model as it was at the start.
///
/// Subscribes to `moment.*` of fuse and to `model.update/` and `model.delta/` of the learner, which it asks for models that it has missed; publishes `evaluation.summary/`, `evaluation.domains/` and
/// `evaluation.progress/`.
public struct EvaluateProcessor: Processor {
    /// What fuse and the learner publish.
    public enum Input: Inbound, Sendable {
        case event(MomentEvent, WireMessage)
        case update(ModelUpdate, WireMessage)
        case adapters(SessionUpdate, WireMessage)
        case release(UpdateRelease)
        case answer(UpdateAnswer, WireMessage)

        public init(_ message: WireMessage) throws(Refusal) {
            if Topics.modelUpdate.components(of: message.topic) != nil || Topics.modelDelta.components(of: message.topic) != nil {
                self = .update(try message.decode(), message)
            } else if Topics.updateAnswer.components(of: message.topic) != nil {
                self = .answer(try message.decode(), message)
            } else if Topics.modelRelease.components(of: message.topic) != nil {
                self = .release(try message.decode())
            } else if let names = Topics.sessionUpdate.components(of: message.topic) {
                self = .adapters(try message.sessionUpdate(of: names[0]), message)
            } else {
                self = .event(try message.decode(), message)
            }
        }

        public var stamp: Stamp {
            switch self {
            case .event(let event, _): event.stamp
            case .update(let update, _): update.stamp
            case .adapters(let update, _): update.stamp
            case .release(let release): release.stamp
            case .answer(let answer, _): answer.stamp
            }
        }
    }

    /// An event that waits to be processed, in order.
    private enum Waiting: Sendable {
        case event(MomentMessage, since: Instant)
        /// A moment that was refused: it is not scored, but reported as done for a replay that waits for it.
        case refused(UInt64)
    }

    /// A moment whose label has not arrived yet, with each scored model's class probabilities; none where it was not scored.
    private struct Unlabelled: Sendable {
        var moment: Moment
        var input: MomentInput
        var probabilities: [[Float]]
    }

    private let settings: GraphSettings
    private var subscription: ModelSubscription
    private let server: ServingModel
    private let frozen: ServingModel
    /// Decodes the text's tokens.
    private let words: TextBytes
    /// The model with a session's own adapters, where there are any.
    private var personal: PersonalEvaluator?
    private var serving: ModelUpdate?
    private let names: [String]
    private var scores: [ScoreBoard]
    private var domains: DomainEvaluator
    /// Modalities that some moment had; masking another would show nothing.
    private var perceived: Set<String> = []
    private var waiting: [Waiting] = []
    private var unlabelled: [Unlabelled] = []
    /// Moments that may not be kept, whose labels are no orphans.
    private var withheld: RecentTable<String, Bool>
    private var scored: UInt64 = 0
    private var setAside: UInt64 = 0
    private var watermark: UInt64 = 0
    /// Ordinal of the first scored moment: another than the stream's first where this process started later.
    private var first: UInt64?
    private var lastPublished: Instant?
    private var hasLastUpdate = false
    private var isOver = false
    private var hasPublishedEnd = false
    private var ownTelemetry = Telemetry()

    /// - Throws: `SettingsError` where the model's settings are invalid.
    public init(_ settings: GraphSettings) throws {
        self.settings = settings
        withheld = RecentTable(capacity: max(1, settings.evaluate.labelPatience))
        let modalities = settings.model.modalities
        let rows = 1 + modalities.count
        server = try ServingModel(settings.model, rows: rows, languageRows: settings.evaluate.masksWords ? rows : 1)
        frozen = try ServingModel(settings.model, rows: 1, languageRows: 1)
        try frozen.initialize(seed: UInt64(settings.seed))
        words = try TextBytes(tokenizer: settings.signals.text.tokenizer)
        domains = try DomainEvaluator(settings, start: frozen.parameters)
        subscription = try ModelSubscription(settings, "evaluate", server.layout, apart: false)
        personal = try PersonalEvaluator(settings)
        names = ["model"] + modalities.map { "masked.\($0)" } + ["frozen"] + (personal == nil ? [] : ["personal"])
        scores = names.map { _ in ScoreBoard(window: settings.evaluate.window) }
    }

    public var telemetry: Telemetry {
        var telemetry = ownTelemetry
        telemetry.modelVersion = serving?.version ?? 0
        telemetry.drops.add(subscription.drops)
        telemetry.gauges = ["setAside": Double(setAside)].merging(subscription.gauges) { $1 }
        if let first { telemetry.gauges.merge(["firstMoment": Double(first), "newestMoment": Double(watermark)]) { $1 } }
        return telemetry
    }

    public mutating func process(_ input: Input, at now: Instant) throws(Refusal) -> [Outgoing] {
        switch input {
        case .event(let event, let message):
            do throws(Refusal) {
                waiting.append(.event(try fitting(event, message), since: now))
            } catch {
                if case .moment(let moment) = event.event { waiting.append(.refused(moment.ordinal)) }
                throw error
            }
        case .adapters(let update, let message):
            try personal?.insert(update, payload: message)
        case .update(let update, let message):
            _ = try subscription.take(update, payload: message, at: now)
            hasLastUpdate = hasLastUpdate || update.last
        case .answer(let answer, let message):
            let update = try subscription.take(answer, payload: message, at: now)
            hasLastUpdate = hasLastUpdate || update?.last == true
        case .release(let release): try subscription.take(release)
        }
        let requests = subscription.requests(at: now)
        if settings.mode == .lockstep { return requests + advance(at: now) }
        if waiting.count > settings.messaging.waitingMessages {
            waiting.removeFirst()
            ownTelemetry.drops.count(.noModel)
        }
        return requests
    }

    public var hasWork: Bool { settings.mode == .live && !waiting.isEmpty && !(subscription.models.versions.isEmpty && serving == nil) }

    /// Live mode: scores the oldest moment that has not waited for too long.
    public mutating func work(at now: Instant) -> [Outgoing] { advance(at: now, scoring: 1) }

    private func fitting(_ event: MomentEvent, _ message: WireMessage) throws(Refusal) -> MomentMessage {
        let decoded = try MomentMessage(message, event)
        if case .moment(let moment, let input) = decoded, !settings.model.accepts(input) {
            throw Refusal(.wrongShape, "moment \(moment.ordinal) does not fit the model")
        }
        return decoded
    }

    public mutating func tick(at now: Instant) -> [Outgoing] {
        _ = subscription.advance(at: now)
        var outputs = subscription.requests(at: now) + (settings.mode == .lockstep || isOver ? advance(at: now) : [])
        if settings.mode == .live, scored > 0, !hasPublishedEnd,
            lastPublished.map({ now - $0 >= .seconds(1) }) ?? true
        {
            outputs.append(summary(at: now))
        }
        return outputs
    }

    /// Processes waiting events in order, as far as the models that they need have arrived.
    /// - Parameter most: the number of moments to score.
    private mutating func advance(at now: Instant, scoring most: UInt64 = .max) -> [Outgoing] {
        var outputs: [Outgoing] = []
        var done = 0
        let before = scored
        for one in waiting {
            if scored - before >= most { break }
            if case .event(.moment(let moment, _), _) = one,
                settings.mode == .lockstep || subscription.models.versions.isEmpty && serving == nil,
                !subscription.models.isCurrent(for: moment.ordinal, step: settings.learn.publishEvery)
            {
                break
            }
            done += 1
            switch one {
            case .refused(let ordinal):
                watermark = ordinal
                outputs.append(progress())
            case .event(.moment(let moment, _), _) where !moment.consent.isKept:
                // It would have to be kept until its label comes.
                withheld[moment.id] = true
                watermark = moment.ordinal
                outputs.append(progress())
            case .event(.moment(let moment, let input), let since):
                adopt(for: moment.ordinal)
                if serving != nil, domains.open(moment.domain, at: moment.ordinal, serving: server.parameters) {
                    outputs.append(domains.message)
                }
                score(moment, input, since: since, at: now)
                watermark = moment.ordinal
                first = first ?? moment.ordinal
                outputs.append(progress())
                if scored % UInt64(max(1, settings.evaluate.publishEvery)) == 0 { outputs.append(summary(at: now)) }
            case .event(.feedback(let feedback), _): if join(feedback) { outputs.append(domains.message) }
            case .event(.decision, _), .event(.withheld, _): break
            case .event(.end, _): isOver = true
            }
        }
        waiting.removeFirst(done)
        if isOver, hasLastUpdate, !hasPublishedEnd {
            hasPublishedEnd = true
            if let last = subscription.models.versions.last {
                last.parameters.copy(into: server.parameters)
                if domains.end(serving: server.parameters) { outputs.append(domains.message) }
            }
            outputs.append(summary(at: now))
            outputs.append(progress())
        }
        return outputs
    }

    private mutating func score(_ moment: Moment, _ input: MomentInput, since: Instant, at now: Instant) {
        if settings.mode == .live, now - since > .seconds(clamping: settings.evaluate.maximumLatency) {
            ownTelemetry.drops.count(.shed)
            if moment.kind == .labelRequest { wait(Unlabelled(moment: moment, input: input, probabilities: [])) }
            return
        }
        guard let serving else {
            ownTelemetry.drops.count(.learnedAlready)
            setAside += 1
            return
        }
        let (masks, server) = (settings.model.modalities, server)
        let shared = server.answers(to: input, withoutEachOf: masks)
        let answers =
            shared + frozen.predict([.init(input)])
            + (personal?.answers(to: input, of: moment, serving: serving, server, words: shared[0]) ?? [])
        guard answers.allSatisfy(\.isFinite) else {  // readings that are too large for a model: no model is scored
            ownTelemetry.drops.count(.nonFinite)
            return
        }
        let bytes = input.text.isEmpty ? 0 : words.bytes(of: input.text).count
        for (index, answer) in answers.enumerated() { scores[index].add(tokenNLL: answer.tokenNLL, tokens: answer.tokens, bytes: bytes) }
        perceived.formUnion(masks.filter { input.has($0) })
        scored += 1
        if moment.kind == .labelRequest { wait(Unlabelled(moment: moment, input: input, probabilities: answers.map(\.probabilities))) }
    }

    private mutating func wait(_ one: Unlabelled) {
        unlabelled.append(one)
        if unlabelled.count > settings.evaluate.labelPatience {
            unlabelled.removeFirst()
            ownTelemetry.drops.count(.labelNeverCame)
        }
    }

    /// - Returns: whether a domain ended.
    private mutating func join(_ feedback: Feedback) -> Bool {
        guard feedback.hasLabel, feedback.consent.isKept else { return false }
        let moment = feedback.moment.isEmpty ? "\(feedback.session)/\(feedback.momentEnd)" : feedback.moment
        guard withheld[moment] == nil else { return false }
        guard let index = unlabelled.firstIndex(where: { feedback.cites($0.moment) }) else {
            ownTelemetry.drops.count(.orphanLabel)
            return false
        }
        guard feedback.isWithin(settings.model.classes) else {  // the moment keeps waiting for a valid label
            ownTelemetry.drops.count(.labelOutOfRange)
            return false
        }
        let found = unlabelled.remove(at: index), probabilities = found.probabilities
        guard !probabilities.isEmpty else { return false }
        let label = Int(feedback.label)
        for (index, distribution) in probabilities.enumerated() { scores[index].add(probabilities: distribution, label: label) }
        let loss = -log(Double(max(probabilities[0][label], 1e-12)))
        return domains.add(found.input, label: label, loss: loss, ordinal: found.moment.ordinal, serving: server.parameters)
    }

    /// Adopts the newest version that has not learned from the moment.
    private mutating func adopt(for ordinal: UInt64) {
        guard let version = subscription.models.version(before: ordinal) else {
            if let current = serving, current.momentWatermark >= ordinal { serving = nil }
            return
        }
        guard version.update.version != serving?.version || version.update.stamp.epoch != serving?.stamp.epoch else { return }
        version.parameters.copy(into: server.parameters)
        serving = version.update
    }

    private mutating func summary(at now: Instant) -> Outgoing {
        lastPublished = now
        let played = zip(names, scores).filter { name, _ in
            !name.hasPrefix("masked.") || perceived.contains(String(name.dropFirst("masked.".count)))
        }
        return Outgoing(
            .with {
                $0.moments = scored
                $0.setAside = setAside
                $0.modelVersion = serving?.version ?? 0
                $0.running = played.map { $1.running.message(named: $0) }
                $0.window = played.map { $1.windowed.message(named: $0) }
                $0.last = hasPublishedEnd
                $0.watermark = watermark
            }, on: Topics.evaluationSummary.only)
    }

    private func progress() -> Outgoing {
        Outgoing(
            .with {
                $0.ordinal = watermark; $0.last = hasPublishedEnd
            }, on: Topics.evaluationProgress.only)
    }
}
