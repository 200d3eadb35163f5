import Configuration
import Memory
import Messaging
import Model
import Moments
import Pipeline
import Schema
import Serving
import Statistics
import Tensors
import Updates

/// Predicts on each moment, in order, without unreliable modalities; decides where that is configured; explains earlier predictions.
///
/// Moments and the labels between them are processed in one queue, so equal streams give equal results whenever the models arrive.
struct Predictor {
    private enum Step {
        case moment(Moment, MomentInput)
        case label(Feedback)
    }

    /// A moment that was predicted: its label may arrive later, and an explanation may be requested.
    private struct Remembered {
        var moment: Moment
        var input: MomentInput
        var experts: [String: [Float]]
        var version: UInt64
        var label: Int
        var muted: Set<String>
        /// The model's own probabilities, and what was recalled beside them.
        var probabilities: [Float]
        var recall: LabelMemory.Recall?
        /// As they were published, and how sure they were.
        var published: [Float]
        var judgement: Confidence.Judgement
    }

    private let settings: GraphSettings
    /// Measures how long a prediction took; nothing else depends on it.
    private let clock: any TimeSource
    private let server: ServingModel
    private var steps: [Step] = []
    private var remembered: [Remembered] = []
    private var reliability: ReliabilityTracker
    /// The labels of similar moments; nil where none are recalled.
    private var labels: LabelRecall?
    /// The newest labelled moments, on which versions are tried; nil where none is.
    let probes: ProbeSet?
    /// How sure predictions are.
    private var confidence: Confidence
    /// Decodes the words of explanations.
    private let words: TextBytes
    private var decider: Decider?
    /// Generates answers: between two inputs, or on a queue of its own.
    private var answers: Answers?
    private let answerQueue: AnswerQueue?
    private var adapters: SessionAdapters?
    /// In lockstep, memories that wait for the model version from which on they are used.
    private var memories: [MemoryUpdate] = []
    private var signedMemories: SignedStream
    /// The number of predictions whose label has arrived, and the number of correct ones.
    private var judged = 0, right = 0
    private var ownTelemetry = Telemetry()
    private(set) var serving: ModelUpdate?

    /// - Parameter answersApart: whether answers are generated on a queue of their own.
    /// - Throws: `SettingsError` where the model's settings are invalid; the error of opening the tokenizer.
    init(_ settings: GraphSettings, clock: any TimeSource, answersApart: Bool) throws {
        self.settings = settings
        self.clock = clock
        server = try ServingModel(settings.model, rows: 1, languageRows: 0)
        reliability = ReliabilityTracker(settings.fuse)
        labels = LabelRecall(settings)
        probes = settings.mode == .live && settings.fuse.probes > 0 ? try ProbeSet(settings.model, capacity: settings.fuse.probes) : nil
        confidence = Confidence(risk: settings.fuse.risk)
        words = try TextBytes(tokenizer: settings.signals.text.tokenizer)
        if let problem = labels?.problem { ownTelemetry.drops.count(.checkpointDamaged, because: problem) }
        decider = try Decider(settings)
        answerQueue = answersApart ? try AnswerQueue(settings, clock: clock) : nil
        answers = answersApart ? nil : try Answers(settings, clock: clock)
        adapters = try SessionAdapters(settings, server.layout)
        signedMemories = SignedStream(try settings.updateTrust())
    }

    /// Whether moments are decided on only, without predictions.
    var decidesAlone: Bool { decider?.isAlone == true }

    mutating func adopt(_ update: PolicyUpdate, payload message: WireMessage) throws(Refusal) {
        try decider?.adopt(update, payload: message)
        try answers?.adopt(update, payload: message)
        answerQueue?.adopt(update, payload: message)
    }

    mutating func adopt(_ update: SessionUpdate, payload message: WireMessage) throws(Refusal) {
        try adapters?.insert(update, payload: message)
    }

    /// Adopts the corrections that answers recall: at once, or in lockstep with the model version that they belong to.
    /// - Throws: `wrongModel` for a version that cannot be; what `SignedStream.check` throws.
    mutating func adopt(_ update: MemoryUpdate) throws(Refusal) {
        try signedMemories.check(update)
        guard update.version <= ReservedNumbers.most else { throw Refusal(.wrongModel, "a memory of version \(update.version)") }
        guard settings.mode == .lockstep else {
            answers?.adopt(update)
            answerQueue?.adopt(update)
            return
        }
        memories.append(update)
        if memories.count > settings.updateCapacity { memories.removeFirst() }
    }

    /// Forgets labels and labelled moments where the learner was ordered to forget.
    mutating func follow(_ answer: OrderAnswer) {
        labels?.follow(answer)
        probes?.follow(answer)
    }

    /// Stores the labels that are recalled, now and then.
    /// - Parameter now: nil: at once.
    mutating func storeLabels(at now: Instant?) {
        if let now { labels?.store(at: now) } else { labels?.finish() }
        if let failure = labels?.takeFailure() { ownTelemetry.drops.count(.checkpointFailed, because: failure) }
    }

    /// Writes the labels that are recalled to a file of another run.
    /// - Throws: `FileError`.
    func writeLabels(to path: String) throws { try labels?.write(to: path) }

    /// The layout of the parameters.
    var layout: ParameterLayout { server.layout }

    var telemetry: Telemetry {
        var telemetry = ownTelemetry
        if let answers { telemetry.drops.add(answers.drops.counts) }
        if let answerQueue { telemetry.drops.add(answerQueue.telemetry.drops) }
        return telemetry
    }

    var gauges: [String: Double] {
        var gauges: [String: Double] = [:]
        for (modality, value) in reliability.newest { gauges["reliability.\(modality)"] = value }
        for (modality, count) in reliability.mutings { gauges["muted.\(modality)"] = Double(count) }
        if let decider { gauges.merge(["decisions": Double(decider.decided), "policyVersion": Double(decider.policyVersion)]) { $1 } }
        if let answers { gauges.merge(answers.gauges) { $1 } }
        if let answerQueue { gauges.merge(answerQueue.telemetry.gauges) { $1 } }
        if let adapters { gauges["personalSessions"] = Double(adapters.count) }
        if let labels { gauges["labelsRemembered"] = Double(labels.memory.examples.count) }
        if judged > 0 { gauges["predictionAccuracy"] = Double(right) / Double(judged) }
        gauges.merge(confidence.gauges) { $1 }
        return gauges
    }

    mutating func add(_ moment: Moment, _ input: MomentInput) { steps.append(.moment(moment, input)) }

    mutating func add(_ feedback: Feedback) {
        if feedback.hasLabel { steps.append(.label(feedback)) }
    }

    /// Processes queued moments and labels as far as the models that they need have arrived.
    mutating func advance(_ models: inout AdoptedModels, at now: Instant) -> [Outgoing] {
        var outputs: [Outgoing] = []
        var done = 0
        loop: for step in steps {
            switch step {
            case .label(let feedback): join(feedback)
            case .moment(let moment, let input):
                guard settings.mode == .live || models.isCurrent(for: moment.ordinal, step: settings.learn.publishEvery) else { break loop }
                adopt(for: moment.ordinal, &models)
                let predicted = decidesAlone ? nil : predict(moment, input, at: now)
                outputs += predicted?.outputs ?? []
                outputs += decide(on: moment, input, predicted?.representation)
                let muted = predicted?.muted ?? []
                answers?.add(moment, input, without: muted)
                answerQueue?.add(moment, input, without: muted)
                if settings.mode == .lockstep, let answeringModel { outputs += answers?.completeAll(answeringModel) ?? [] }
            }
            done += 1
        }
        steps.removeFirst(done)
        return outputs
    }

    /// In live mode, generates a bounded number of further tokens of an answer, or fetches those that were generated on their own queue;
    /// called after the predictions.
    mutating func continueAnswer() -> [Outgoing] {
        if let answerQueue { return answerQueue.fetch() }
        guard settings.mode == .live, let answeringModel else { return [] }
        return answers?.advance(answeringModel) ?? []
    }

    private var answeringModel: Answers.AnsweringModel? { serving.map { .init(parameters: server.parameters, version: $0.version) } }

    /// Predicts on one moment.
    /// - Returns: the messages, the model's encoding of the moment where a policy observes it, and the senses that were excluded; nil where
    ///   there is no prediction.
    private mutating func predict(_ moment: Moment, _ input: MomentInput, at now: Instant) -> (
        outputs: [Outgoing], representation: [Float], muted: Set<String>
    )? {
        if settings.mode == .live, now - Instant(nanoseconds: moment.arrived) > .seconds(clamping: settings.fuse.maximumLatency) {
            ownTelemetry.drops.count(.shed)
            return nil
        }
        guard let serving else {
            ownTelemetry.drops.count(.noModel)
            return nil
        }
        // Of what may not be stored nothing stays here either.
        let stays = ConsentClass(moment.consent) != .notStored
        let judgement = reliability.judge(input, session: moment.session, learns: stays)
        let parameters = server.parameters
        let revision = adapters?.apply(moment.session, ordinal: moment.ordinal, version: serving.version, on: parameters)
        defer { adapters?.revert(parameters) }
        let whole = server.predict([.init(input)])[0]
        let representation = decider?.looksThroughModel == true ? server.representation(row: 0) : []
        let answer = judgement.muted.isEmpty ? whole : server.predict([.init(input, without: judgement.muted)])[0]
        guard answer.isFinite, representation.allSatisfy(\.isFinite) else {  // numbers that are too large for the model
            ownTelemetry.drops.count(.nonFinite)
            return nil
        }
        let attention = settings.fuse.attention ? server.attention(row: 0) : []
        let recall = labels?.recall(input.without(judgement.muted))
        var probabilities = answer.probabilities
        if let recall { LabelMemory.mix(recall, into: &probabilities) }
        let label = probabilities.argmax ?? answer.label
        let sureness = confidence.judge(probabilities, recall: recall?.weight ?? 0)
        if stays {
            remember(
                Remembered(
                    moment: moment, input: input, experts: whole.experts, version: serving.version, label: label, muted: judgement.muted,
                    probabilities: answer.probabilities, recall: recall, published: probabilities, judgement: sureness)
            )
        }
        let explanation =
            settings.fuse.explain == .none
            ? nil
            : server.explain(input.without(judgement.muted), class: label, exhaustively: settings.fuse.explain == .shapley)
        let latency = (clock.now - Instant(nanoseconds: moment.arrived)).inSeconds
        ownTelemetry.latencies["prediction", default: QuantileSketch()].add(latency)
        let prediction = Prediction.with {
            $0.moment = moment.id
            $0.session = moment.session
            $0.ordinal = moment.ordinal
            $0.modelVersion = serving.version
            $0.modelWatermark = serving.momentWatermark
            $0.sessionRevision = revision ?? 0
            $0.probabilities = probabilities
            $0.label = UInt32(label)
            $0.recalled = Float(recall?.weight ?? 0)
            ($0.confidence, $0.unsure) = (Float(sureness.confidence), !sureness.isKnown)
            $0.weights = answer.weights
            $0.latency = latency
            $0.contributions = Contributions(explanation, attention: attention)
            $0.contributions.reliability = judgement.reliability.mapValues { Float($0) }
            $0.contributions.muted = judgement.muted.sorted()
        }
        let changes = judgement.changes.compactMap { self.change($0, moment) }
        // the session was checked on its way in
        let predictions = (try? Topics.prediction(moment.session)).map { [Outgoing(prediction, on: $0)] } ?? []
        return (predictions + changes, representation, judgement.muted)
    }

    /// Decides on a moment, where decisions are configured.
    private mutating func decide(on moment: Moment, _ input: MomentInput, _ representation: [Float]?) -> [Outgoing] {
        guard let looksThroughModel = decider?.looksThroughModel, !looksThroughModel || representation != nil else { return [] }
        let latency = (clock.now - Instant(nanoseconds: moment.arrived)).inSeconds
        do throws(Refusal) {
            return try decider?.decide(
                on: moment, input, representation: representation ?? [], modelVersion: serving?.version ?? 0, latency: latency) ?? []
        } catch {
            ownTelemetry.drops.count(error.reason)
            return []
        }
    }

    private func change(_ change: ReliabilityTracker.Change, _ moment: Moment) -> Outgoing? {
        guard let topic = try? Topics.reliability(moment.session) else { return nil }  // the session was checked on its way in
        return Outgoing(
            .with {
                $0.session = moment.session
                $0.moment = moment.id
                $0.ordinal = moment.ordinal
                $0.modality = change.modality
                $0.muted = change.isMuted
                $0.reliability = Float(change.reliability)
                $0.cause = change.cause.rawValue
            }, on: topic)
    }

    private mutating func remember(_ one: Remembered) {
        remembered.append(one)
        if remembered.count > max(settings.fuse.remembered, settings.learn.labelPatience) { remembered.removeFirst() }
    }

    /// Joins a label to its prediction and updates each modality's error statistics.
    private mutating func join(_ feedback: Feedback) {
        // the learner counts labels of unknown moments,
        guard let one = remembered.last(where: { feedback.cites($0.moment) }) else { return }
        guard feedback.isWithin(settings.model.classes) else { return }  // and those that are none
        let consent = feedback.consent.orStricter(one.moment.consent)
        guard ConsentClass(consent) != .notStored else { return }
        if consent.isKept {
            judged += 1
            if one.label == Int(feedback.label) { right += 1 }
            probes?.add(one.input, label: Int(feedback.label), session: one.moment.session)
            confidence.learn(one.judgement, one.published, label: Int(feedback.label))
            if let recall = one.recall { labels?.learn(recall, model: one.probabilities, label: Int(feedback.label), of: one.moment) }
        }
        reliability.learn(
            one.experts, label: Int(feedback.label), classes: feedback.classes > 0 ? Int(feedback.classes) : settings.model.classes,
            session: one.moment.session)
    }

    /// The explanation for a request.
    /// - Throws: `badSession`.
    mutating func explain(_ request: ExplainRequest) throws(Refusal) -> Outgoing {
        guard let topic = try? Topics.explanation(request.session) else { throw Refusal(.badSession, String(request.session.prefix(64))) }
        var explained = MomentExplanation.with {
            $0.session = request.session; $0.moment = request.moment
        }
        guard let one = remembered.last(where: { $0.moment.id == request.moment && $0.moment.session == request.session }), let serving
        else {
            explained.problem =
                "moment \(request.moment.prefix(128)) is not among the newest \(remembered.count) that were predicted (fuse.remembered)"
            return Outgoing(explained, on: topic)
        }
        let explanation = server.explain(one.input.without(one.muted), class: nil, exhaustively: true)
        explained.ordinal = one.moment.ordinal
        explained.modelVersion = serving.version
        explained.predictedVersion = one.version
        explained.predictedLabel = UInt32(one.label)
        explained.fill(explanation, attention: server.attention(of: one.input.without(one.muted)))
        explained.contributions.muted = one.muted.sorted()
        if request.parts {
            let input = one.input.without(one.muted)
            explained.fill(
                server.explainParts(input, class: explanation.decided), of: input, words: { words.bytes(of: Array($0)) },
                withFeatures: request.features)
        }
        return Outgoing(explained, on: topic)
    }

    private mutating func adopt(for ordinal: UInt64, _ models: inout AdoptedModels) {
        let wanted = settings.mode == .live ? models.versions.last : models.version(before: ordinal)
        guard let wanted, wanted.update.version != serving?.version || wanted.update.stamp.epoch != serving?.stamp.epoch else { return }
        wanted.parameters.copy(into: server.parameters)
        answerQueue?.adopt(wanted)
        if let memory = memories.lastIndex(where: { $0.version <= wanted.update.version }) {
            answers?.adopt(memories[memory])
            memories.removeFirst(memory + 1)
        }
        serving = wanted.update
    }
}
