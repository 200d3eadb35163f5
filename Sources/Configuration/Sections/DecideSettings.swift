import Foundation
import Reinforcement
import Statistics
import StrictJSON

/// Whether and how a policy decides on moments, and how feedback is joined to its decision.
public struct DecideSettings: Codable, Sendable, Equatable {
    /// Bounds of one control.
    public struct Control: Codable, Sendable, Equatable {
        public var low = 0.0
        public var high = 1.0

        public init() {}
    }

    /// ppo, ddpg, bandit or fixed; empty: nothing is decided.
    public var policy = ""
    /// Overrides of the policy's default settings.
    public var settings: JSON = .object([:])
    /// The number of choices; 0 where the policy sets controls or writes text.
    public var choices = 0
    /// Whether the policy's decisions are generated answers; `answer` sets when and how they are generated.
    public var text = false
    /// The controls to be set, each within its bounds.
    public var controls: [Control] = []
    /// The policy's observation: `vector`, the newest reading of that sense, or `model`, the model's encoding of all senses.
    public var observation = "vector"
    /// The number of values of the vector that are used.
    public var inputs = 16
    /// Decisions only: no model learns from the moments, predicts or is scored on them.
    public var alone = false
    /// How long a decision waits for its feedback, in seconds.
    public var window = 30.0
    /// The reward of a decision that got no feedback.
    public var defaultReward = 0.0
    /// The greatest absolute reward; a greater one is refused.
    public var rewardLimit = 1000.0
    /// A decision by a policy up to this many versions older than the newest is still learned from; ddpg, bandit and fixed learn from all.
    public var maximumStaleness = 2
    /// Rounds of learning between published policies.
    public var publishEvery = 1
    /// The most decisions that wait for feedback, and the most settled ones that are remembered.
    public var maximumOpen = 4096
    public var maximumRemembered = 65_536
    /// Lines of the decision log before a new one is started and the previous one kept; 0: no log.
    public var logLines = 100_000

    public init() {}

    /// Whether anything is decided.
    public var isOn: Bool { !policy.isEmpty }

    /// The space of actions: choices or bounded controls.
    package var actions: ActionSpace {
        choices > 0 ? .choices(choices) : .controls(controls.map { $0.low...max($0.low, $0.high) })
    }

    /// A learner of the configured policy.
    /// - Parameter inputs: the length of an observation.
    package func makeLearner(inputs: Int, seed: Int) throws(SettingsError) -> any ConfigurablePolicy {
        try policyLearner(policy, inputs: inputs, actions: actions, settings: settings, seed: UInt64(seed))
    }

    /// The settings for joining feedback to decisions.
    package var join: DecisionJoin.Configuration {
        var join = DecisionJoin.Configuration()
        join.window = Int64(nanosecondsIn: window)
        join.defaultReward = defaultReward
        join.maximumOpen = maximumOpen
        join.maximumRemembered = maximumRemembered
        join.waitsForNext = !text && (policy == "ppo" || policy == "ddpg")
        return join
    }
}

extension GraphSettings {
    /// Invalid settings of decisions, by key.
    var decideProblems: [SettingsError] {
        var found: [SettingsError] = []
        func require(_ condition: Bool, _ key: String, _ text: String) {
            if !condition { found.append(SettingsError("decide.\(key)", text)) }
        }
        let d = decide
        require((0...1024).contains(d.choices), "choices", "\(d.choices) is not within 0…1024")
        require(d.controls.count <= 64, "controls", "\(d.controls.count) are more than 64")
        require(
            d.controls.allSatisfy { $0.low < $0.high && abs($0.low) <= 1e6 && abs($0.high) <= 1e6 }, "controls",
            "each wants low below high, within ±1e6")
        require(["vector", "model"].contains(d.observation), "observation", "'\(d.observation)' is neither vector nor model")
        require((1...4096).contains(d.inputs), "inputs", "\(d.inputs) is not within 1…4096")
        require((0.01...86_400).contains(d.window), "window", "\(d.window) is not within 0.01…86400")
        require(d.rewardLimit > 0 && d.rewardLimit <= 1e9, "rewardLimit", "\(d.rewardLimit) is not above 0 and at most 1e9")
        require(abs(d.defaultReward) <= d.rewardLimit, "defaultReward", "\(d.defaultReward) is not within ±decide.rewardLimit")
        require((0...1_000_000).contains(d.maximumStaleness), "maximumStaleness", "\(d.maximumStaleness) is not within 0…1000000")
        require((1...1_000_000).contains(d.publishEvery), "publishEvery", "\(d.publishEvery) is not within 1…1000000")
        require((1...1_000_000).contains(d.maximumOpen), "maximumOpen", "\(d.maximumOpen) is not within 1…1000000")
        require((1...10_000_000).contains(d.maximumRemembered), "maximumRemembered", "\(d.maximumRemembered) is not within 1…10000000")
        require((0...100_000_000).contains(d.logLines), "logLines", "\(d.logLines) is not within 0…100000000")
        guard d.isOn else { return found }
        require(mode == .live, "policy", "decisions need mode live: in lockstep nothing waits for what comes of them")
        require(
            [d.choices > 0, !d.controls.isEmpty, d.text].count { $0 } == 1, "choices", "a policy wants either choices or controls or text")
        require(d.choices != 1, "choices", "one is no choice")
        require(
            d.observation != "model" || !d.alone, "alone", "goes with observation vector only: alone, the model does not look at moments")
        require(!d.text || d.policy == "ppo", "policy", "'\(d.policy)' does not write; text wants ppo")
        require(!d.text || !d.alone, "alone", "goes with choices and controls only: a text wants the model to look at moments")
        require(!d.text || !answer.after.isEmpty, "text", "wants answer.after, which sets which moments are answered")
        require(
            !d.text || answer.temperature > 0 && answer.topK == 0 && answer.topP == 1 && answer.repetitionPenalty == 1, "text",
            "wants every token drawn by its own probability: answer.temperature above 0, topK 0, topP 1, repetitionPenalty 1")
        guard found.isEmpty else { return found }
        let bytes = policyBytes, limit = GraphMemory(self).limit
        guard bytes <= Double(limit) else {
            return [
                SettingsError(
                    "decide.settings",
                    "the policy takes \(GraphMemory.megabytes(Int(clamping: bytes))), and there are \(GraphMemory.megabytes(limit))"
                )
            ]
        }
        do {
            if d.text {
                try TextPPO.Configuration(d.settings).validate()
            } else {
                try checkPolicy(d.policy, actions: d.actions, settings: d.settings)
            }
        } catch {
            found.append(SettingsError(error.key == "policy" ? "decide.policy" : "decide.settings", error.description))
        }
        return found
    }

    /// The length of an observation.
    package var observationSize: Int {
        guard !decide.text else { return 0 }
        return decide.observation == "vector"
            ? decide.inputs : model.modalities.count.clampedMultiplying(by: model.tokens).clampedMultiplying(by: model.width)
    }

    /// The bytes that the policy and its learner use.
    var policyBytes: Double {
        decide.text
            ? 0 : Reinforcement.policyBytes(decide.policy, inputs: observationSize, actions: decide.actions, settings: decide.settings)
    }
}
