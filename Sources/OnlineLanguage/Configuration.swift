import Layers
import Learning
import Memory
import Model
import Statistics
import Tensors

extension ByteLearner {
    /// The settings of a byte learner; the defaults are suitable for any text.
    public struct Configuration: Settings {
        /// The maximum memory of the context table, in MiB.
        public var memory = 1024
        /// The learning rate of the mixers.
        public var rate = 0.0015

        public init() {}

        public func validate() throws(SettingsError) {
            try SettingsError.require((1...65536).contains(memory), "memory", "is \(memory) MiB, not 1…65,536")
            try SettingsError.require(rate >= 0 && rate <= 0.1, "rate", "is \(rate), not 0…0.1")
        }
    }
}

extension TokenLearner {
    /// The settings of a token learner.
    public struct Configuration: Settings {
        /// The number of tokens predicted between two steps, at most half of the model's positions.
        public var fresh = 64
        /// The maximum number of earlier tokens that are attended to, within the model's positions.
        public var context = 2048
        /// What learns: `all`, `last:N` blocks, `head` with all norms, or `lora`: adapters.
        public var scope = "all"
        /// The ends of the adapted projections' names; empty for queries and values.
        public var targets: [String] = []
        /// The rank of the adapters.
        public var rank = 8
        /// Adam's learning rate times the model's width.
        public var rate = 0.045
        /// The number of earlier windows, each of `fresh` tokens, replayed in every step.
        public var replays = 0
        /// The seed of the choice of earlier windows and of the adapters' initial values.
        public var seed = 1
        /// Whether a memory of the tokens read takes part in predictions.
        public var remembers = true
        /// The memory's settings.
        public var memory = TokenMemory.Configuration()

        public init() {}

        public func validate() throws(SettingsError) {
            try SettingsError.require((1...65536).contains(fresh), "fresh", "is \(fresh), not 1…65,536")
            try SettingsError.require((1...65536).contains(context), "context", "is \(context), not 1…65,536")
            try SettingsError.require(rate >= 0 && rate <= 10, "rate", "is \(rate), not 0…10")
            try SettingsError.require((0...64).contains(replays), "replays", "is \(replays), not 0…64")
            try training.validate()
            try memory.validate()
        }

        /// The same choices as settings of a training.
        private var training: TextTrainer.Configuration {
            var training = TextTrainer.Configuration()
            (training.scope, training.rank, training.alpha, training.seed) = (scope, rank, 2 * Double(rank), seed)
            training.targets = targets
            return training
        }

        /// The model and its parameters, with new adapters if these learn.
        func adapted(_ trunk: any Trunk, _ parameters: ParameterStore<Float>) -> (trunk: any Trunk, parameters: ParameterStore<Float>) {
            guard let adapters = training.adapters(of: trunk) else { return (trunk, parameters) }
            let adapted = trunk.adapted(by: adapters)
            let store = ParameterStore<Float>(ParameterLayout(adapted.parameters, frozen: parameters.frozen))
            for parameter in parameters.layout.parameters { _ = store[parameter.name].update(fromContentsOf: parameters[parameter.name]) }
            var generator = RandomSource(seed: UInt64(seed))
            adapters.initialize(in: store, using: &generator)
            return (adapted, store)
        }

        /// Whether a parameter learns.
        func learns(in trunk: any Trunk) -> (Parameter) -> Bool {
            let scope = try? training.learningScope
            return { parameter in scope?.learns(parameter, in: trunk) ?? false }
        }

        func rule(for trunk: any Trunk) -> AdaptiveRule {
            var rule = AdaptiveRule(learningRate: rate / Double(trunk.width))
            rule.clipNorm = 1
            return rule
        }
    }
}
