import Layers
import Model
import Statistics

extension TextTrainer {
    /// How a GPT-2 is trained on a text.
    public struct Configuration: Settings {
        /// What learns: `all`, `last:N` blocks, `head` with all norms, or `lora`.
        public var scope = "all"
        /// Of the adapters where the scope is `lora`: r, α, and the ends of the projections' names.
        public var rank = 8
        public var alpha = 16.0
        public var targets = ["c_attn"]
        /// A name in `optimizers`.
        public var optimizer = "adamw"
        /// Laid over the optimiser's defaults.
        public var optimizerSettings: JSONValue = .object([:])
        /// Windows in one pass through the model.
        public var batch = 1
        /// Tokens that a window reads.
        public var time = 128
        /// Passes whose gradients make one step together.
        public var accumulate = 1
        /// Blocks are computed twice and share their memory.
        public var recompute = false
        /// Of the windows' order and the adapters' start.
        public var seed = 1

        public static let ranks = 1...65_536, batches = 1...65_536, times = 1...1 << 20, accumulations = 1...1 << 20
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
            try SettingsError.require(!targets.isEmpty, "targets", "names no projection")
            try SettingsError.require(seed >= 0, "seed", "\(seed) is negative")
            _ = try updateRule(optimizer, settings: optimizerSettings)
        }

        public var adapters: Adapters? {
            scope == "lora" ? Adapters(rank: rank, alpha: alpha, projections: targets) : nil
        }

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

        /// What training a model of this shape takes, before anything is allocated.
        public func memory(of model: GPT2Configuration, members: Int) throws(SettingsError) -> TrainingMemory {
            TrainingMemory(
                model, adapters: adapters, scope: try learningScope,
                moments: try updateRule(optimizer, settings: optimizerSettings).moments.count,
                batch: batch, time: min(time, model.positions), recomputing: recompute, members: members)
        }
    }
}
