import Model
import Statistics
import Tensors

/// Decides whether a newly learned version of the weights is published.
///
///     gate.observe(moment, candidate: learner.servingParameters)   // before the moment is learned
///     let verdict = gate.decide(learner)                           // when a version is to be published
///     publish(gate.serving)
///
/// A candidate is accepted if, within configured margins, it is no worse than the serving version on recent moments, which both
/// predicted before they were learned, and no worse than published versions were on anchors, old moments that were predicted
/// correctly. A serving version that then turns out worse than its predecessor is rolled back. Of texts, the likelihood of the newest
/// corrections and of some anchors must not fall below that of published versions. In a stream with neither, every candidate is accepted.
///
/// When the serving version's error rate suddenly rises, a candidate is accepted only if it is better on those moments without
/// getting worse on anchors: then the data have changed and it has adapted. Wrong labels cannot be learned in this way, and when they
/// end, the learner is reset to its state before them.
public final class UpdateGate {
    /// The settings of a gate.
    public struct Configuration: Settings {
        /// Whether there is a gate.
        public var enabled = false
        /// The maximal number of anchors.
        public var anchors = 96
        /// The age at which an anchor is removed, in labelled moments.
        public var anchorAge = 1500
        /// The number of recent moments over which versions are compared.
        public var recent = 64
        /// How much higher than the reference a candidate's mean loss on anchors may be, in nats.
        public var anchorMargin = 0.1
        /// How much higher than the serving version's a candidate's mean loss on recent moments may be, in nats.
        public var recentMargin = 0.2
        /// How much higher than those of published versions a candidate's mean loss on corrections and on other texts may be, in nats per
        /// token.
        public var textMargin = 0.1
        /// How much higher than its predecessor's a serving version's mean loss may be, in nats.
        public var rollbackMargin = 0.3
        /// The number of consecutive candidates refused because of anchors after which the learner is reset to the serving version
        /// and forgets the moments since the last accepted candidate, and `disbeliefReach` moments before it. 0: never.
        public var disbeliefAfter = 3
        /// The number of moments before the last accepted candidate that are forgotten too.
        public var disbeliefReach = 64
        /// The evidence, in nats, that the serving version is wrong more often than usual, from which on a candidate must be better
        /// on those moments. 0: it need not.
        public var surpriseAbove = 3.5

        public init() {}

        public func validate() throws(SettingsError) {
            for (key, value, range) in [
                ("anchors", anchors, 0...100_000), ("anchor_age", anchorAge, 1...1 << 30), ("recent", recent, 8...100_000),
                ("disbelief_after", disbeliefAfter, 0...100_000), ("disbelief_reach", disbeliefReach, 0...100_000),
            ] {
                try SettingsError.require(range.contains(value), key, "\(value) is not within \(range.lowerBound)…\(range.upperBound)")
            }
            for (key, value) in [
                ("anchor_margin", anchorMargin), ("recent_margin", recentMargin), ("rollback_margin", rollbackMargin),
                ("text_margin", textMargin),
                ("surprise_above", surpriseAbove),
            ] {
                try SettingsError.require(value >= 0 && value < 1e6, key, "\(value) is negative or absurd")
            }
        }
    }

    /// The losses of all versions on one moment, in nats.
    struct Pair: Codable, Sendable {
        var candidate, serving, frozen, scheduled: Double
    }

    /// The gate's settings.
    public let configuration: Configuration
    /// The serving version: the weights that are published.
    public var serving: ParameterStore<Float> { scorers.serving.parameters }
    /// The last version that has proved itself, to which a serving version is rolled back.
    public var good: ParameterStore<Float> { scorers.good.parameters }
    let scorers: (serving: MomentScorer, good: MomentScorer, frozen: MomentScorer, scheduled: MomentScorer)
    private let model: MultimodalModel
    private let candidate: MomentScorer
    private let anchorScorer: MomentScorer
    /// Scores texts; nil where the model learns none.
    private let textScorer: MomentScorer?
    var anchors: AnchorSet
    var texts: TextAnchors
    var pairs: [Pair] = []
    /// Since `good` was last replaced: the number of labelled moments, and the losses of serving and good on them.
    var probation = (count: 0, serving: 0.0, good: 0.0)
    var labelled = 0
    /// The number of consecutive candidates refused because of anchors.
    var contradicted = 0
    /// The learner's `momentsSeen` when the last candidate was accepted.
    var passed = 0
    var surprise = Surprise()
    /// Set while the serving version is wrong more often than usual for an unknown reason.
    var doubt: Doubt?
    /// Running results of the versions `serving`, `frozen` and `scheduled`.
    public internal(set) var tallies: [String: GateTally] = [:]
    /// How often each decision was made.
    public internal(set) var decisions: [GateVerdict.Decision: Int] = [:]
    /// The mean loss on anchors of the last candidate; nil before there are enough anchors.
    public private(set) var anchorLoss: Double?
    /// The least number of anchors, or of recent moments, from which a candidate is compared on them.
    static let least = 16
    /// The loss that stands for one that is not finite, in nats.
    private static let nonFiniteLoss = 1e3

    /// - Parameters:
    ///   - configuration: the gate's settings.
    ///   - model: the model that is published.
    ///   - frozen: the weights of the frozen baseline, which never learns.
    ///   - serving: the weights that serve at first.
    ///   - random: the source of random numbers.
    ///   - judgesTexts: whether candidates are judged by texts too.
    /// - Throws: `SettingsError`, if a setting is invalid.
    public init(
        _ configuration: Configuration, _ model: MultimodalModel, frozen: ParameterStore<Float>, serving: ParameterStore<Float>,
        random: RandomSource, judgesTexts: Bool = false
    ) throws(SettingsError) {
        try configuration.validate()
        self.configuration = configuration
        self.model = model
        func scorer(_ store: ParameterStore<Float>) -> MomentScorer { MomentScorer(model, parameters: store.copy(), rows: 1) }
        scorers = (scorer(serving), scorer(serving), scorer(frozen), scorer(serving))
        candidate = scorer(serving)
        anchorScorer = MomentScorer(model, parameters: ParameterStore(serving.layout), rows: 16)
        anchors = AnchorSet(capacity: configuration.anchors, age: configuration.anchorAge, random: random)
        var random = random
        texts = TextAnchors(random: random.split())
        textScorer =
            judgesTexts ? MomentScorer(model, parameters: ParameterStore(serving.layout), rows: TextAnchors.most, language: true) : nil
    }

    /// Forgets the anchors and the texts of a source.
    public func forget(source: String) {
        anchors.forget(source: source)
        texts.forget(source: source)
    }

    /// Sets the serving version to weights that were published without a gate.
    public func start(from weights: ParameterStore<Float>) {
        for scorer in [scorers.serving, scorers.good, scorers.scheduled] { scorer.parameters.assign(from: weights) }
    }

    /// Serves other weights from now on, by an operator's order, and judges them from anew.
    public func serve(_ weights: ParameterStore<Float>) {
        for scorer in [scorers.serving, scorers.good] { scorer.parameters.assign(from: weights) }
        pairs.removeAll()
        (probation, contradicted, doubt) = ((0, 0, 0), 0, nil)
    }

    /// Scores a moment with all versions, before it is learned. A moment without a label or text is ignored.
    ///
    /// - Parameters:
    ///   - moment: the moment.
    ///   - source: the session that it is from.
    ///   - weights: the learner's current weights.
    public func observe(_ moment: MomentInput, source: String = "", candidate weights: ParameterStore<Float>) {
        if let textScorer {
            texts.admit(moment, from: source) {
                textScorer.parameters.assign(from: serving)
                return textScorer.textLosses(of: [moment])[0]
            }
        }
        guard moment.label != nil else { return }
        candidate.parameters.assign(from: weights)
        guard let tried = candidate.score(moment), let served = scorers.serving.score(moment), let past = scorers.good.score(moment),
            let frozen = scorers.frozen.score(moment), let scheduled = scorers.scheduled.score(moment)
        else { return }
        // A moment on which a published version has no finite loss compares nothing; a candidate without a finite loss is the worst.
        guard [served, past, frozen, scheduled].allSatisfy(\.loss.isFinite) else { return }
        labelled += 1
        let loss = tried.loss.isFinite ? tried.loss : Self.nonFiniteLoss
        pairs.append(Pair(candidate: loss, serving: served.loss, frozen: frozen.loss, scheduled: scheduled.loss))
        if pairs.count > configuration.recent { pairs.removeFirst() }
        for (name, score) in [("serving", served), ("frozen", frozen), ("scheduled", scheduled)] {
            tallies[name, default: GateTally()].add(score)
        }
        updateSurprise(served.isRight)
        probation = (probation.count + 1, probation.serving + served.loss, probation.good + past.loss)
        anchors.expire(at: labelled)
        if served.isRight { anchors.admit(moment, from: source, loss: served.loss, at: labelled) }
    }

    /// Decides about a candidate's weights: whether they become the serving version, or the serving version is rolled back.
    public func decide(_ weights: ParameterStore<Float>) -> GateVerdict {
        let isOver = doubt != nil && surprise.evidence == 0
        if isOver, doubt?.isGrave == false { doubt = nil }
        var verdict = compare(weights)
        scorers.scheduled.parameters.assign(from: weights)
        if probation.count >= configuration.recent {
            let harm = (probation.serving - probation.good) / Double(probation.count)
            if harm > configuration.rollbackMargin, doubt == nil || lossOnAnchors(serving) > lossOnAnchors(good) {
                serving.assign(from: good)
                pairs.removeAll()
                verdict.decision = .rolledBack
                verdict.reason =
                    "over \(probation.count) moments the loss of the serving version was \(rounded(harm)) above that of the one before it"
            } else {
                good.assign(from: serving)
            }
            probation = (0, 0, 0)
        }
        if verdict.decision == .accepted {
            serving.assign(from: weights)
            if doubt != nil { surprise.settle(usual: 1 - Self.meanProbability(surprisingPairs.map(\.candidate))) }
            doubt = nil
        }
        if isOver { doubt = nil }
        decisions[verdict.decision, default: 0] += 1
        return verdict
    }

    /// Decides about a learner's weights, and resets the learner if its candidates are repeatedly refused because of anchors: wrong
    /// labels would impair the learner and its memory long after they have ended. After a real change of the data, the anchors that
    /// contradict it expire.
    public func decide(_ learner: OnlineLearner) -> GateVerdict {
        let begun = doubt?.began, wasGrave = doubt?.isGrave ?? false
        var verdict = decide(learner.servingParameters)
        contradicted = verdict.isContradicted ? contradicted + 1 : 0
        if verdict.decision == .accepted { passed = learner.momentsSeen }
        let isOver = wasGrave && doubt == nil && verdict.decision != .accepted
        guard isOver || configuration.disbeliefAfter > 0 && contradicted >= configuration.disbeliefAfter * (doubt?.patience ?? 1) else {
            return verdict
        }
        contradicted = 0
        doubt?.waitLonger()
        if !isOver, lossOnAnchors(good) < lossOnAnchors(serving) {  // an impaired version was accepted before the cause was known
            serving.assign(from: good)
            if verdict.decision == .refused {  // already counted as refused
                decisions[.refused, default: 1] -= 1
                decisions[.rolledBack, default: 0] += 1
            }
            verdict.decision = .rolledBack
        }
        learner.rollBack(to: serving)
        pairs.removeAll()
        let forgotten = learner.forget(
            since: begun.map { learner.momentsSeen - (labelled - $0) } ?? passed - configuration.disbeliefReach)
        passed = learner.momentsSeen
        verdict.reason += "; the learner is reset and forgets \(forgotten) moments"
        return verdict
    }

    func lossesOnAnchors(_ weights: ParameterStore<Float>) -> [Double] {
        anchorScorer.parameters.assign(from: weights)
        return anchorScorer.score(anchors.inputs).map { $0?.loss ?? 0 }
    }

    private func lossesOnTexts(_ weights: ParameterStore<Float>) -> [Double] {
        guard let textScorer, !texts.isEmpty else { return [] }
        textScorer.parameters.assign(from: weights)
        return textScorer.textLosses(of: texts.inputs).map { $0.flatMap { $0.isFinite ? $0 : nil } ?? Self.nonFiniteLoss }
    }

    private func lossOnAnchors(_ weights: ParameterStore<Float>) -> Double { lossesOnAnchors(weights).reduce(0, +) }

    private func compare(_ weights: ParameterStore<Float>) -> GateVerdict {
        var verdict = GateVerdict(decision: .accepted, reason: "no worse")
        verdict.recent = pairs.count
        verdict.anchors = anchors.anchors.count
        if !pairs.isEmpty {
            func mean(_ part: (Pair) -> Double) -> Double { pairs.reduce(0) { $0 + part($1) } / Double(pairs.count) }
            (verdict.candidateLoss, verdict.servingLoss) = (mean(\.candidate), mean(\.serving))
            (verdict.frozenLoss, verdict.scheduledLoss) = (mean(\.frozen), mean(\.scheduled))
        }
        guard weights.values.allSatisfy(\.isFinite) else {
            return verdict.refused("a weight is not finite")
        }
        var losses: [Double] = []
        if verdict.anchors >= Self.least {
            losses = lossesOnAnchors(weights)
            losses = losses.map { $0.isFinite ? $0 : Self.nonFiniteLoss }
            verdict.anchorLoss = losses.reduce(0, +) / Double(losses.count)
            verdict.anchorReference = anchors.meanReference
            anchorLoss = verdict.anchorLoss
            if doubt == nil, !(verdict.anchorLoss - verdict.anchorReference <= configuration.anchorMargin) {
                verdict.isContradicted = true
                let (loss, reference) = (rounded(verdict.anchorLoss), rounded(verdict.anchorReference))
                return verdict.refused("on \(verdict.anchors) old moments its loss is \(loss), that of published versions \(reference)")
            }
        }
        if let (reason, isContradicted) = unexplained(losses) {
            verdict.isContradicted = isContradicted
            return verdict.refused(reason)
        }
        let textLosses = lossesOnTexts(weights), harm = texts.harm(textLosses)
        if !(harm <= configuration.textMargin) {
            verdict.isContradicted = true
            return verdict.refused(
                "on \(texts.inputs.count) texts its loss is \(rounded(harm)) nats a token above that of published versions")
        }
        anchors.updateReferences(losses, evenIfWorse: doubt != nil)
        if verdict.recent >= Self.least, !(verdict.candidateLoss - verdict.servingLoss <= configuration.recentMargin) {
            let (loss, serving) = (rounded(verdict.candidateLoss), rounded(verdict.servingLoss))
            return verdict.refused("on \(verdict.recent) recent moments its loss is \(loss), that of the serving version \(serving)")
        }
        texts.publish(textLosses)
        return verdict
    }
}

extension GateVerdict {
    func refused(_ reason: String) -> GateVerdict {
        var verdict = self
        (verdict.decision, verdict.reason) = (.refused, reason)
        return verdict
    }
}

func rounded(_ x: Double) -> Double { (x * 1000).rounded() / 1000 }
