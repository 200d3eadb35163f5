import Layers
import Model
import Statistics
import StrictJSON
import Tensors

extension TextTrainer {
    /// How a language model is trained on a text.
    public struct Configuration: Settings {
        /// Which parameters learn: `all`, `last:N` blocks, `head` with all norms, or `lora`.
        public var scope = "all"
        /// The rank r of the adapters, for the scope `lora`.
        public var rank = 8
        /// The scale α of the adapters, for the scope `lora`.
        public var alpha = 16.0
        /// Suffixes of the names of the projections with adapters, for the scope `lora`; empty for the model's usual ones.
        public var targets: [String] = []
        /// A name in `optimizers`.
        public var optimizer = "adamw"
        /// Settings that replace the optimiser's defaults.
        public var optimizerSettings: JSON = .object([:])
        /// The number of windows in one forward pass.
        public var batch = 1
        /// The number of tokens of a window.
        public var time = 128
        /// The number of passes whose gradients are added up for one step.
        public var accumulate = 1
        /// Whether blocks are computed twice and share their memory.
        public var recompute = false
        /// The seed of the windows' order and the adapters' initial values.
        public var seed = 1

        /// Valid ranges of `rank`, `batch`, `time` and `accumulate`.
        public static let ranks = 1...65_536, batches = 1...65_536, times = 1...1 << 20, accumulations = 1...1 << 20
        /// The largest valid `alpha`.
        public static let alphaLimit = 1e6

        public init() {}

        public func validate() throws(SettingsError) {
            _ = try learningScope
            for (key, value, range) in [
                ("rank", rank, Self.ranks), ("batch", batch, Self.batches), ("time", time, Self.times),
                ("accumulate", accumulate, Self.accumulations),
            ] {
                try SettingsError.require(range.contains(value), key, "\(value) is not within \(range.lowerBound)…\(range.upperBound)")
            }
            try SettingsError.require(
                alpha > 0 && alpha <= Self.alphaLimit, "alpha", "\(alpha) is not above 0 and at most \(Self.alphaLimit)")
            try SettingsError.require(
                batch.clampedMultiplying(by: time) <= TrainingMemory.tokenLimit, "batch",
                "\(batch) windows of \(time) tokens are more than \(TrainingMemory.tokenLimit) tokens")
            try SettingsError.require(seed >= 0, "seed", "\(seed) is negative")
            _ = try updateRule(optimizer, settings: optimizerSettings)
        }

        /// The adapters of a model in the scope `lora`; nil for other scopes.
        public func adapters(of trunk: some Trunk) -> Adapters? {
            scope == "lora" ? Adapters(rank: rank, alpha: alpha, projections: targets.isEmpty ? trunk.usualTargets : targets) : nil
        }

        /// The scope, parsed.
        /// - Throws: `SettingsError`, if it is invalid.
        public var learningScope: LearningScope {
            get throws(SettingsError) {
                switch scope {
                case "all": return .all
                case "head": return .headAndNorms
                case "lora": return .adapters
                default:
                    guard scope.hasPrefix("last:"), let blocks = Int(scope.dropFirst(5)), blocks > 0 else {
                        throw SettingsError("scope", "'\(scope)' is none of all, last:N, head, lora")
                    }
                    return .lastBlocks(blocks)
                }
            }
        }

        /// The memory that training a model takes, computed before anything is allocated.
        ///
        /// - Parameters:
        ///   - trunk: the model, without adapters.
        ///   - frozen: matrices that stay as they are stored.
        ///   - team: the threads of the training.
        /// - Throws: `SettingsError`, if a setting is invalid.
        public func memory(
            of trunk: some Trunk, frozen: [String: any FrozenMatrix] = [:], team: Team = .solo
        ) throws(SettingsError) -> TrainingMemory {
            try validate()
            return TrainingMemory(
                trunk.adapted(by: adapters(of: trunk)), frozen: frozen, scope: try learningScope,
                moments: try updateRule(optimizer, settings: optimizerSettings).moments.count,
                batch: batch, time: min(time, trunk.positions), recomputing: recompute, team: team)
        }
    }
}
