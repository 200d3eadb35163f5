import Model
import Statistics
import Tensors

/// Stands between what was learned and those who use it.
///
///     gate.observe(moment, candidate: learner.servingParameters)   // before it is learned
///     let verdict = gate.decide(learner)                           // when it is time to publish
///     publish(gate.serving)
///
/// A candidate passes when, by configured margins, it is no worse than the serving version on recent moments, which both judged before anything was
/// learned from them, and no worse than published versions were on anchors. A serving version that afterwards does worse than the one it followed
/// gives way to it. Only labels are judged: a stream without labels passes unjudged.
///
/// From the first few labels on that the serving version suddenly misses, nothing passes but a candidate that answers such moments better without
/// paying for it on anchors: it has learned a world that has changed. Labels that are wrong for a while cannot be learned so, and when they
/// cease, the learner is put back to where it was before them.
public final class UpdateGate {
    public struct Configuration: Settings {
        public var enabled = false
        /// Old moments that a candidate must still answer, and for how many labelled moments one stays.
        public var anchors = 96
        public var anchorAge = 1500
        /// Recent moments that versions are compared over.
        public var recent = 64
        /// How much worse a candidate may be, in nats: on anchors, on recent moments; and a published version than the one before it.
        public var anchorMargin = 0.1
        public var recentMargin = 0.2
        public var rollbackMargin = 0.3
        /// So many candidates in a row that have lost what was known, and what they learned from is not believed: the learner is put back to the serving
        /// version and forgets the moments since the last one that passed, and so many before it. 0: it is left alone.
        public var disbeliefAfter = 3
        public var disbeliefReach = 64
        /// Evidence, in nats, that the serving version is wrong more often than usual, from which on a candidate must explain why. 0: it need not.
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
                ("surprise_above", surpriseAbove),
            ] {
                try SettingsError.require(value >= 0 && value < 1e6, key, "\(value) is negative or absurd")
            }
        }
    }

    /// What each version lost on one moment.
    struct Pair: Codable, Sendable {
        var candidate, serving, frozen, scheduled: Double
    }

    public let configuration: Configuration
    /// What others answer with.
    public var serving: ParameterStore<Float> { judges.serving.parameters }
    /// The version before it that is known to be good.
    public var good: ParameterStore<Float> { judges.good.parameters }
    let judges: (serving: MomentJudge, good: MomentJudge, frozen: MomentJudge, scheduled: MomentJudge)
    private let model: MultimodalModel
    private let candidate: MomentJudge
    private let anchorJudge: MomentJudge
    var anchors: AnchorSet
    var pairs: [Pair] = []
    /// Since `good` was renewed: labelled moments, and what serving and good lost on them.
    var probation = (count: 0, serving: 0.0, good: 0.0)
    var labelled = 0
    /// Candidates in a row that anchors spoke against, and what the learner had been offered to remember when the last one passed.
    var contradicted = 0
    var passed = 0
    var surprise = Surprise()
    /// The serving version has been wrong more often than usual since so many labelled moments, and nobody knows why.
    var doubt: Doubt?
    public internal(set) var tallies: [String: GateTally] = [:]
    public internal(set) var decisions: [GateVerdict.Decision: Int] = [:]
    /// Of the newest decision's candidate; nil before there are enough anchors.
    public private(set) var anchorLoss: Double?
    /// So many anchors, and recent moments, are needed to say anything.
    static let least = 16
    /// What a moment counts that a candidate leaves no finite loss of, in nats.
    private static let unbearable = 1e3

    /// - Parameters:
    ///   - frozen: the twin that never learns; also what serves at first.
    ///   - candidate: the learner's; read anew at each observation.
    public init(
        _ configuration: Configuration, _ model: MultimodalModel, frozen: ParameterStore<Float>, serving: ParameterStore<Float>,
        random: RandomSource
    ) throws(SettingsError) {
        try configuration.validate()
        self.configuration = configuration
        self.model = model
        func judge(_ store: ParameterStore<Float>) -> MomentJudge { MomentJudge(model, parameters: store.copy(), rows: 1) }
        judges = (judge(serving), judge(serving), judge(frozen), judge(serving))
        candidate = judge(serving)
        anchorJudge = MomentJudge(model, parameters: ParameterStore(serving.layout), rows: 16)
        anchors = AnchorSet(capacity: configuration.anchors, age: configuration.anchorAge, random: random)
    }

    /// Begins with a version that was published without a gate.
    public func start(from weights: ParameterStore<Float>) {
        for judge in [judges.serving, judges.good, judges.scheduled] { judge.parameters.assign(from: weights) }
    }

    /// Judges a moment by everybody before it is learned. One without a label says nothing.
    public func observe(_ moment: MomentInput, candidate weights: ParameterStore<Float>) {
        guard moment.label != nil else { return }
        candidate.parameters.assign(from: weights)
        guard let tried = candidate.judge(moment), let served = judges.serving.judge(moment), let past = judges.good.judge(moment),
            let frozen = judges.frozen.judge(moment), let scheduled = judges.scheduled.judge(moment)
        else { return }
        // Readings that are too large for what serves compare nothing; a candidate that they are too large for alone is worse than any.
        guard [served, past, frozen, scheduled].allSatisfy(\.loss.isFinite) else { return }
        labelled += 1
        let loss = tried.loss.isFinite ? tried.loss : Self.unbearable
        pairs.append(Pair(candidate: loss, serving: served.loss, frozen: frozen.loss, scheduled: scheduled.loss))
        if pairs.count > configuration.recent { pairs.removeFirst() }
        for (name, judgement) in [("serving", served), ("frozen", frozen), ("scheduled", scheduled)] {
            tallies[name, default: GateTally()].add(judgement)
        }
        wonder(served.isRight)
        probation = (probation.count + 1, probation.serving + served.loss, probation.good + past.loss)
        anchors.expire(at: labelled)
        if served.isRight { anchors.admit(moment, loss: served.loss, at: labelled) }
    }

    /// Decides whether the candidate serves from now on, or what served before.
    public func decide(_ weights: ParameterStore<Float>) -> GateVerdict {
        let isOver = doubt != nil && surprise.evidence == 0
        if isOver, doubt?.isGrave == false { doubt = nil }
        var verdict = compare(weights)
        judges.scheduled.parameters.assign(from: weights)
        if probation.count >= configuration.recent {
            let harm = (probation.serving - probation.good) / Double(probation.count)
            if harm > configuration.rollbackMargin, doubt == nil || lossOnAnchors(serving) > lossOnAnchors(good) {
                serving.assign(from: good)
                pairs.removeAll()
                verdict.decision = .rolledBack
                verdict.reason = "over \(probation.count) moments the published version lost \(rounded(harm)) more than the one before it"
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

    /// Decides about what a learner has learned, and puts the learner back where what it learned is not to be believed: labels that contradict what has
    /// long been known spoil it, and its memory, for long after they have ceased. A world that has really changed outlives the anchors that speak against it.
    public func decide(_ learner: OnlineLearner) -> GateVerdict {
        let begun = doubt?.began, wasGrave = doubt?.isGrave ?? false
        var verdict = decide(learner.servingParameters)
        contradicted = verdict.isContradicted ? contradicted + 1 : 0
        if verdict.decision == .accepted { passed = learner.momentsOffered }
        let isOver = wasGrave && doubt == nil && verdict.decision != .accepted
        guard isOver || configuration.disbeliefAfter > 0 && contradicted >= configuration.disbeliefAfter * (doubt?.patience ?? 1) else {
            return verdict
        }
        contradicted = 0
        doubt?.waitLonger()
        if !isOver, lossOnAnchors(good) < lossOnAnchors(serving) {  // some of it got through before it was seen for what it is
            serving.assign(from: good)
            if verdict.decision == .refused {  // counted as such already
                decisions[.refused, default: 1] -= 1
                decisions[.rolledBack, default: 0] += 1
            }
            verdict.decision = .rolledBack
        }
        learner.rollBack(to: serving)
        pairs.removeAll()
        let forgotten = learner.forget(
            since: begun.map { learner.momentsOffered - (labelled - $0) } ?? passed - configuration.disbeliefReach)
        passed = learner.momentsOffered
        verdict.reason += "; the learner is put back and forgets \(forgotten) moments"
        return verdict
    }

    func lossesOnAnchors(_ weights: ParameterStore<Float>) -> [Double] {
        anchorJudge.parameters.assign(from: weights)
        return anchorJudge.judge(anchors.inputs).map { $0?.loss ?? 0 }
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
            losses = losses.map { $0.isFinite ? $0 : Self.unbearable }
            verdict.anchorLoss = losses.reduce(0, +) / Double(losses.count)
            verdict.anchorReference = anchors.meanReference
            anchorLoss = verdict.anchorLoss
            if doubt == nil, !(verdict.anchorLoss - verdict.anchorReference <= configuration.anchorMargin) {
                verdict.isContradicted = true
                return verdict.refused(
                    "on \(verdict.anchors) old moments it loses \(rounded(verdict.anchorLoss)), published versions lost \(rounded(verdict.anchorReference))"
                )
            }
        }
        if let (reason, isContradicted) = unexplained(losses) {
            verdict.isContradicted = isContradicted
            return verdict.refused(reason)
        }
        anchors.follow(losses, evenIfWorse: doubt != nil)
        if verdict.recent >= Self.least, !(verdict.candidateLoss - verdict.servingLoss <= configuration.recentMargin) {
            return verdict.refused(
                "on \(verdict.recent) recent moments it lost \(rounded(verdict.candidateLoss)), the serving version \(rounded(verdict.servingLoss))"
            )
        }
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
