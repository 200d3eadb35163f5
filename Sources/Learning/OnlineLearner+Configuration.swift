import Model
import Statistics
import StrictJSON

extension OnlineLearner {
    /// How a learner learns.
    public struct Configuration: Settings {
        /// Names in `strategies`, separated by commas: how old knowledge is retained.
        public var strategy = "er"
        /// Settings that replace the strategies' defaults.
        public var strategySettings: JSON = .object([:])
        /// A name in `optimizers`.
        public var optimizer = "adam"
        /// Settings that replace the optimiser's defaults.
        public var optimizerSettings: JSON = .object([:])
        /// A name in `replayPolicies`: which moments are remembered, and which are replayed.
        public var replay = "reservoir"
        /// Settings that replace the policy's defaults.
        public var replaySettings: JSON = .object([:])
        /// The maximal number of remembered moments.
        public var memory = 500
        /// The maximal size of remembered moments, in bytes.
        public var memoryBytes = 64 << 20
        /// The number of remembered moments in each step.
        public var replayed = 15
        /// The number of rows of each step, starting with the new moment, whose text is learned too.
        public var languageRows = 4
        /// Which part of the language trunk learns: `all`, `frozen`, its last blocks, `last:N`, or `adapters` of a pretrained trunk.
        public var trunk = "all"
        /// The maximal number of further steps from a moment whose right answer has become known; 0: none.
        public var correctionSteps = 24
        /// They end when the answer's mean loss is below this, in nats a token.
        public var correctionLoss = 0.1
        /// The probability that a modality is hidden in a step.  https://arxiv.org/abs/1501.00102
        public var modalityDropout = 0.1
        /// The number of steps for each new moment.
        public var stepsPerMoment = 1
        /// The decay of the moving average of weights that is served; 0: the learned weights are served.
        public var averaging = 0.0
        /// The number of moments between two consolidations, besides those at the end of a domain.
        public var consolidateEvery = 200
        /// The number of moments for which a change of strategy or optimiser is on trial.
        public var trialMoments = 64
        /// The share by which the loss may rise in a trial before the change is reverted.
        public var trialMargin = 0.5

        public init() {}

        /// Rows of a step.
        var rows: Int { 1 + replayed }
        /// Rows of a step whose text is learned.
        var wordRows: Int { min(rows, languageRows) }

        public func validate() throws(SettingsError) { try validate(with: LearningLists()) }

        /// Checks all settings, with names from given lists.
        /// - Throws: `SettingsError`, the first invalid setting.
        public func validate(with lists: LearningLists) throws(SettingsError) {
            for (key, value, least) in [
                ("memory", memory, 0), ("memory_bytes", memoryBytes, 0), ("replayed", replayed, 0), ("language_rows", languageRows, 0),
                ("steps_per_moment", stepsPerMoment, 1),
                ("consolidate_every", consolidateEvery, 1), ("trial_moments", trialMoments, 0),
            ] {
                try SettingsError.require((least...1 << 40).contains(value), key, "\(value) is below \(least) or too large")
            }
            try SettingsError.require(
                stepsPerMoment <= 100, "steps_per_moment", "\(stepsPerMoment) is above 100, too many for a stream")
            try SettingsError.require(
                (0...1000).contains(correctionSteps), "correction_steps", "\(correctionSteps) is not in 0…1000")
            try SettingsError.require(
                correctionLoss >= 0 && correctionLoss.isFinite, "correction_loss", "\(correctionLoss) is negative or not a number")
            try SettingsError.require(replayed <= 4096, "replayed", "\(replayed) rows are too many for one step")
            try SettingsError.require((0..<1).contains(modalityDropout), "modality_dropout", "\(modalityDropout) is not in 0 ..< 1")
            try SettingsError.require((0..<1).contains(averaging), "averaging", "\(averaging) is not in 0 ..< 1")
            try SettingsError.require(trialMargin >= 0 && trialMargin < 1e9, "trial_margin", "\(trialMargin) is negative or too large")
            _ = try trunkScope
            _ = try replayPolicy(replay, settings: replaySettings, from: lists.replayPolicies)
            _ = try Method(self).rule(from: lists)
            _ = try Method(self).mix(from: lists)
        }
    }

    /// The part of a configuration that can be changed between two steps.
    public struct Method: Codable, Sendable, Equatable {
        /// Names in `strategies`, separated by commas.
        public var strategy: String
        /// Settings that replace the strategies' defaults.
        public var strategySettings: JSON
        /// A name in `optimizers`.
        public var optimizer: String
        /// Settings that replace the optimiser's defaults.
        public var optimizerSettings: JSON

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

/// The strategies, optimisers, replay policies and drift detectors that a configuration names. More can be added.
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
    /// The scope of the trunk that learns; nil if none does.
    var trunkScope: LearningScope? {
        get throws(SettingsError) {
            if trunk == "frozen" { return nil }
            if trunk == "all" { return .all }
            if trunk == "adapters" { return .adapters }
            guard trunk.hasPrefix("last:"), let blocks = Int(trunk.dropFirst(5)), blocks > 0 else {
                throw SettingsError("trunk", "'\(trunk)' is none of all, frozen, adapters, last:N")
            }
            return .lastBlocks(blocks)
        }
    }
}

/// A moment, and its logits when it was new, if the strategy needs them.
struct RememberedMoment: Sendable {
    var moment: MomentInput
    var logits: [Float]
}

extension MomentInput {
    /// The approximate size of the remembered moment.
    var bytes: Int { 8 * text.count + senses.values.reduce(64) { $0 + 4 * $1.values.count + 64 } }
}
