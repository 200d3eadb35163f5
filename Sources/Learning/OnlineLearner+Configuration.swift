import Model
import Statistics

extension OnlineLearner {
    /// How a learner learns.
    public struct Configuration: Settings {
        /// Names in `strategies`, separated by commas: what keeps the old.
        public var strategy = "er"
        /// Laid over the strategies' defaults.
        public var strategySettings: JSONValue = .object([:])
        /// A name in `optimizers`.
        public var optimizer = "adam"
        /// Laid over the optimiser's defaults.
        public var optimizerSettings: JSONValue = .object([:])
        /// A name in `replayPolicies`: which moments are remembered, and which are recalled.
        public var replay = "reservoir"
        /// Laid over the policy's defaults.
        public var replaySettings: JSONValue = .object([:])
        /// Moments remembered at most.
        public var memory = 500
        public var memoryBytes = 64 << 20
        /// Remembered moments in each step beside the new one.
        public var replayed = 15
        /// Rows of each step, the new moment first, whose text is learned too.
        public var languageRows = 4
        /// What of the language trunk learns: `all`, `frozen`, or its last blocks, `last:N`.
        public var trunk = "all"
        /// Probability that a modality is hidden from a step.  https://arxiv.org/abs/1501.00102
        public var modalityDropout = 0.1
        public var stepsPerMoment = 1
        /// The decay of the running mean of weights that is served; 0: what is learned is served.
        public var averaging = 0.0
        /// Moments between two consolidations, where no domain's end asks for one.
        public var consolidateEvery = 200
        /// Moments that a switch of strategy or optimiser is on trial, and by which share the loss may rise until it is taken back.
        public var trialMoments = 64
        public var trialMargin = 0.5

        public init() {}

        /// Rows of a step.
        var rows: Int { 1 + replayed }
        var wordRows: Int { min(rows, languageRows) }

        public func validate() throws(SettingsError) { try validate(with: LearningLists()) }

        /// Throws the first setting that makes no sense where names are chosen from given lists.
        public func validate(with lists: LearningLists) throws(SettingsError) {
            for (key, value, least) in [
                ("memory", memory, 0), ("memory_bytes", memoryBytes, 0), ("replayed", replayed, 0), ("language_rows", languageRows, 0),
                ("steps_per_moment", stepsPerMoment, 1),
                ("consolidate_every", consolidateEvery, 1), ("trial_moments", trialMoments, 0),
            ] {
                try SettingsError.require((least...1 << 40).contains(value), key, "\(value) is below \(least) or absurd")
            }
            try SettingsError.require(
                stepsPerMoment <= 100, "steps_per_moment", "\(stepsPerMoment) is above 100: no stream waits so long for one moment")
            try SettingsError.require(replayed <= 4096, "replayed", "\(replayed) rows are too many for one step")
            try SettingsError.require((0..<1).contains(modalityDropout), "modality_dropout", "\(modalityDropout) is not in 0 ..< 1")
            try SettingsError.require((0..<1).contains(averaging), "averaging", "\(averaging) is not in 0 ..< 1")
            try SettingsError.require(trialMargin >= 0 && trialMargin < 1e9, "trial_margin", "\(trialMargin) is negative or absurd")
            _ = try trunkScope
            _ = try replayPolicy(replay, settings: replaySettings, from: lists.replayPolicies)
            _ = try Method(self).rule(from: lists)
            _ = try Method(self).mix(from: lists)
        }
    }

    /// The part of a configuration that may be exchanged between two steps.
    public struct Method: Codable, Sendable, Equatable {
        public var strategy: String
        public var strategySettings: JSONValue
        public var optimizer: String
        public var optimizerSettings: JSONValue

        init(_ configuration: Configuration) {
            (strategy, strategySettings) = (configuration.strategy, configuration.strategySettings)
            (optimizer, optimizerSettings) = (configuration.optimizer, configuration.optimizerSettings)
        }

        func rule(from lists: LearningLists) throws(SettingsError) -> any UpdateRule {
            try updateRule(optimizer, settings: optimizerSettings, from: lists.optimizers)
        }

        func mix(from lists: LearningLists) throws(SettingsError) -> StrategyMix {
            try StrategyMix(named: strategy, settings: strategySettings, from: lists.strategies)
        }
    }
}

/// What a learner's configuration chooses from by name: what there is, unless somebody brings more.
///
///     var lists = LearningLists()
///     lists.strategies = lists.strategies.adding("mine", [MyStrategy()])
public struct LearningLists: Sendable {
    public var strategies = Learning.strategies
    public var optimizers = Learning.optimizers
    public var replayPolicies = Learning.replayPolicies
    public var driftDetectors = Statistics.driftDetectors

    public init() {}
}

extension OnlineLearner.Configuration {
    /// Nil where nothing of the trunk learns.
    var trunkScope: LearningScope? {
        get throws(SettingsError) {
            if trunk == "frozen" { return nil }
            if trunk == "all" { return .all }
            guard trunk.hasPrefix("last:"), let blocks = Int(trunk.dropFirst(5)), blocks > 0 else {
                throw SettingsError("trunk", "'\(trunk)' is none of all, frozen, last:N")
            }
            return .lastBlocks(blocks)
        }
    }
}

/// A moment, and the logits it had when it was new where the strategy wants to know.
struct RememberedMoment: Sendable {
    var moment: MomentInput
    var logits: [Float]
}

extension MomentInput {
    /// Roughly what it takes to remember it.
    var bytes: Int { 8 * text.count + senses.values.reduce(64) { $0 + 4 * $1.values.count + 64 } }
}
