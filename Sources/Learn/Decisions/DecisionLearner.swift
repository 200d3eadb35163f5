import Configuration
import Foundation
import Messaging
import Model
import Pipeline
import Reinforcement
import Safetensors
import Schema
import Serving
import Statistics
import Tensors

/// The learner's part of decisions: joins feedback to them, trains the policy on the result, and publishes it.
struct DecisionLearner {
    private let settings: DecideSettings
    private var learner: any PolicyLearner
    private let inputs: Int
    private let model: MultimodalConfiguration
    private let maximumTokens: Int
    private let frameBytes: Int
    private var join: DecisionJoin
    private var runs = TransitionRuns()
    private var log: DecisionLog
    private var progress = Progress()
    /// Reserved version numbers, each of which is used only once.
    private var versions: ReservedNumbers
    private var roundsSincePublished = 0
    /// Rewards since the newest version; and their mean over the newest decisions, with exponential forgetting.
    private var rewards = RunningMoments()
    private var newestReward = (mean: 0.0, count: 0.0)
    private var newest = PolicyProgress(transitions: 0, loss: 0)
    private var hasBegun = false
    private var lastSwept: Int64?
    private(set) var drops = Drops()

    private static let newestRewards = 256.0

    /// A policy's progress; part of its checkpoint.
    struct Progress: Codable, Sendable, Equatable {
        var version: UInt64 = 0
        /// The number of decisions learned from.
        var decisions: UInt64 = 0
        /// The number of decisions with a reward from feedback, and with the default reward.
        var rewarded: UInt64 = 0
        var unrewarded: UInt64 = 0

        /// Keys of the checkpoint, as earlier versions wrote them.
        private enum CodingKeys: String, CodingKey {
            case version, decisions
            case rewarded = "told"
            case unrewarded = "untold"
        }

        var isPlausible: Bool { [version, decisions, rewarded, unrewarded].allSatisfy { $0 <= ReservedNumbers.most } }
    }

    /// - Parameters:
    ///   - opened: the checkpoint to continue from.
    ///   - serving: returns the current model that texts are generated with beside the policy.
    /// - Returns: nil where nothing is decided.
    /// - Throws: the error of invalid settings, or of a checkpoint that cannot be used.
    init?(_ settings: GraphSettings, from opened: CheckpointDirectory.Opened? = nil, serving: @escaping () -> ParameterStore<Float>) throws
    {
        guard settings.decide.isOn else { return nil }
        self.settings = settings.decide
        model = settings.model
        inputs = settings.observationSize
        maximumTokens = settings.maximumTextTokens
        frameBytes = settings.messaging.frameBytes
        learner =
            settings.decide.text
            ? try settings.makeTextLearner(serving) : try settings.decide.makeLearner(inputs: inputs, seed: settings.seed)
        versions = ReservedNumbers(directory: settings.learn.directory, name: "policies.reserved")
        join = DecisionJoin(settings.decide.join)
        log = DecisionLog(directory: settings.learn.directory, capacity: settings.decide.logLines)
        var isRestored = false
        if let kept = try PolicyStore(in: opened)?.restore(learner, described: PolicyDescription(settings.decide, inputs: inputs)) {
            guard kept.progress.isPlausible else {
                throw CheckpointMismatch("\(settings.learn.directory) holds a policy whose counts cannot be; move it away")
            }
            (progress, isRestored) = (kept.progress, true)
            // Its counts are kept, so that no version is published twice.
            if let problem = kept.problem { drops.count(.checkpointDamaged, because: "\(problem); the policy starts again") }
        }
        // Versions published after the checkpoint have used their numbers.
        if isRestored || versions.reserved > 0 { progress.version = max(progress.version, versions.reserved) + 1 }
    }

    var isAlone: Bool { settings.alone }

    var gauges: [String: Double] {
        [
            "decisionsOpen": Double(join.open), "decisionsLearned": Double(progress.decisions), "decisionsTold": Double(progress.rewarded),
            "decisionsUntold": Double(progress.unrewarded), "policyVersion": Double(progress.version),
            "policyDivergence": newest.divergence,
            "decisionReward": newestReward.mean,
        ]
        .merging(settings.text ? ["referenceDivergence": newest.fromReference, "referencePenalty": newest.penalty] : [:]) { $1 }
    }

    /// Publishes the current policy at the start.
    mutating func begin() -> [Outgoing] {
        guard !hasBegun else { return [] }
        hasBegun = true
        return [publish()]
    }

    /// Records a decision that was made.
    /// - Parameter moment: the moment that a generated text answers.
    /// - Throws: `undecodable`, `wrongShape`, `nonFinite`, `overflow`.
    mutating func take(_ record: DecisionRecord, _ moment: MomentInput? = nil, at now: Instant) throws(Refusal) -> [Outgoing] {
        let made = try made(record, moment)
        if let refusal = join.insert(made, at: now.nanoseconds) {
            throw Refusal(Reason(rawValue: refusal.rawValue), "decision \(made.id.place)")
        }
        return learn(from: join.settle(session: made.session, at: now.nanoseconds))
    }

    /// Joins feedback to its decision.
    /// - Throws: `orphanFeedback`, `lateFeedback`, `duplicateFeedback`, `forgedFeedback`, `emptyFeedback`, `rewardOutOfRange`.
    mutating func take(_ feedback: Feedback, at now: Instant) throws(Refusal) -> [Outgoing] {
        guard feedback.hasReward, feedback.reward.isFinite else { throw Refusal(.emptyFeedback, "a decision's feedback without a reward") }
        guard let id = DecisionID(feedback.decision) else {
            throw Refusal(.orphanFeedback, "no decision is called '\(feedback.decision.prefix(96))'")
        }
        guard abs(feedback.reward) <= settings.rewardLimit else {
            throw Refusal(.rewardOutOfRange, "a reward of \(feedback.reward) for \(id.place), beyond ±\(settings.rewardLimit)")
        }
        let ending: DecisionJoin.Ending? = feedback.terminal ? .terminal : feedback.truncated ? .truncated : nil
        let joined = DecisionJoin.Feedback(id: id, session: feedback.session, reward: feedback.reward, ending: ending)
        if let refusal = join.insert(joined, at: now.nanoseconds) {
            throw Refusal(Reason(rawValue: refusal.rawValue), "feedback for \(id.place)")
        }
        return learn(from: join.settle(session: joined.session, at: now.nanoseconds))
    }

    /// Settles decisions without feedback whose window has passed, ten times a second.
    mutating func tick(at now: Instant) -> [Outgoing] {
        guard lastSwept.map({ now.nanoseconds.clampedSubtracting($0) >= 100_000_000 }) ?? true else { return [] }
        lastSwept = now.nanoseconds
        return learn(from: join.settle(at: now.nanoseconds))
    }

    /// Learns when there is enough, and publishes what was learned.
    private mutating func learn(from settled: [DecisionJoin.Settled]) -> [Outgoing] {
        for settled in settled {
            let isUsable = learner.isOffPolicy || settled.made.version.clampedAdding(UInt64(settings.maximumStaleness)) >= progress.version
            if !isUsable { drops.count(.staleDecision) }
            if settled.hasFeedback { progress.rewarded += 1 } else { progress.unrewarded += 1 }
            rewards.add(settled.reward)
            newestReward.count = min(Self.newestRewards, newestReward.count + 1)
            newestReward.mean += (settled.reward - newestReward.mean) / newestReward.count
            runs.append(settled, isUsable: isUsable)
            log.append(LoggedDecision(settled, policy: settings.policy))
            if log.isFull { flush() }
        }
        guard runs.count >= learner.batchSize else { return [] }
        let steps = runs.takeAll()
        progress.decisions += UInt64(steps.count)
        guard let learned = learner.learn(from: steps) else { return [] }
        newest = learned
        if learned.skipped > 0 { drops.count(.nonFinite, UInt64(learned.skipped)) }
        roundsSincePublished += 1
        guard roundsSincePublished >= settings.publishEvery else { return [] }
        progress.version = progress.version.clampedAdding(1)
        return [publish()]
    }

    /// The newest policy again, as a version of its own.
    mutating func renewed() -> [Outgoing] {
        progress.version = progress.version.clampedAdding(1)
        return [publish()]
    }

    private mutating func publish() -> Outgoing {
        roundsSincePublished = 0
        defer { rewards = RunningMoments() }
        do {
            try versions.cover(progress.version)
        } catch {
            drops.count(.checkpointFailed)
        }
        let published = PublishedParameters(learner.parameters)
        let update = PolicyUpdate.with {
            $0.version = progress.version
            $0.policy = settings.policy
            $0.sha256 = published.digest
            $0.decisions = progress.decisions
            $0.reward = rewards.mean
            $0.loss = newest.loss
            $0.divergence = newest.divergence
            $0.referenceDivergence = newest.fromReference
            $0.penalty = newest.penalty
        }
        return Outgoing(update, on: Topics.policyUpdate.only, payload: published.payload.cut(into: frameBytes))
    }

    /// Writes the waiting lines of the log.
    mutating func flush() {
        do { try log.flush() } catch { drops.count(.checkpointFailed, because: "\(error)") }
    }

    /// The policy as a file of a checkpoint; none where it is not finite, and then it starts again after a restart.
    mutating func files() throws -> [CheckpointDirectory.Content] {
        do {
            return [try PolicyStore.file(of: learner, progress, described: description)]
        } catch let error as CheckpointMismatch {
            drops.count(.checkpointFailed, because: error.description)
            return []
        }
    }

    /// Releases reserved versions that were not published, at an orderly end.
    mutating func finish() { try? versions.settle(at: progress.version) }  // on failure they are skipped

    private var description: PolicyDescription { PolicyDescription(settings, inputs: inputs) }

    private func made(_ record: DecisionRecord, _ moment: MomentInput?) throws(Refusal) -> DecisionJoin.Made {
        let action = record.action
        guard let id = DecisionID(action.decision), id.place.session == action.session else {
            throw Refusal(.undecodable, "a decision '\(action.decision.prefix(96))'")
        }
        if settings.text {
            let text = try written(record, moment, id)
            let decision = Decision(text: text, logProbability: action.logProbability, value: action.value)
            return .init(id: id, session: action.session, version: action.policyVersion, observation: [], decision: decision)
        }
        let isChoice = settings.actions.isDiscrete, width = settings.actions.width
        guard record.observation.count == inputs,
            isChoice ? action.hasChoice && Int(action.choice) < width : action.values.count == width && record.raw.count <= width
        else {
            throw Refusal(.wrongShape, "decision \(id.place): \(record.observation.count) numbers observed, \(action.values.count) set")
        }
        guard (record.observation + record.raw + action.values).allSatisfy(\.isFinite), action.logProbability.isFinite,
            action.value.isFinite
        else {
            throw Refusal(.nonFinite, "decision \(id.place)")
        }
        guard record.observation.allSatisfy({ abs($0) <= Decider.observationLimit }) else {
            throw Refusal(.tooLarge, "decision \(id.place)")
        }
        let decision = Decision(
            choice: isChoice ? Int(action.choice) : nil, values: action.values, raw: record.raw,
            logProbability: action.logProbability, value: action.value)
        return .init(id: id, session: action.session, version: action.policyVersion, observation: record.observation, decision: decision)
    }
}

extension DecisionLearner {
    private func written(_ record: DecisionRecord, _ moment: MomentInput?, _ id: DecisionID) throws(Refusal) -> WrittenText {
        let action = record.action, tokens = action.tokens.map { Int($0) }, end = model.turns.end
        guard let moment, model.accepts(moment), !tokens.isEmpty, tokens.count == record.logProbabilities.count,
            tokens.allSatisfy({ (0..<model.text.vocabulary).contains($0) }), !tokens.dropLast().contains(end),
            moment.text.count + tokens.count <= model.text.length,
            tokens.count <= maximumTokens
        else {
            throw Refusal(.wrongShape, "decision \(id.place): a text of \(tokens.count) tokens")
        }
        guard record.logProbabilities.allSatisfy(\.isFinite), action.logProbability.isFinite, action.value.isFinite else {
            throw Refusal(.nonFinite, "decision \(id.place)")
        }
        return WrittenText(moment: moment, tokens: tokens, logProbabilities: record.logProbabilities)
    }
}

extension GraphSettings {
    /// The most tokens of a text that is a decision.
    var maximumTextTokens: Int { min(answer.maximumTokens, model.text.length) }

    /// - Parameter serving: returns the base model of the policy.
    fileprivate func makeTextLearner(_ serving: @escaping () -> ParameterStore<Float>) throws -> TextPPO {
        let configuration = try TextPPO.Configuration(decide.settings)
        return try TextPPO(
            configuration.policy(model), configuration, maximumTokens: maximumTextTokens, temperature: answer.temperature,
            seed: UInt64(seed),
            base: serving)
    }
}

extension LoggedDecision {
    init(_ settled: DecisionJoin.Settled, policy: String) {
        let decision = settled.made.decision
        self.init(
            decision: settled.made.id.description, policy: policy, version: settled.made.version, observation: settled.made.observation,
            choice: decision.choice, values: decision.choice == nil && decision.text == nil ? decision.values : nil,
            tokens: decision.text?.tokens, logProbability: decision.logProbability,
            value: decision.value, reward: settled.reward, hasFeedback: settled.hasFeedback)
    }
}
