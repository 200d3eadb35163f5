import Statistics

extension ByteLearner {
    /// The settings of a byte learner; the defaults are suitable for any text.
    public struct Configuration: Settings {
        /// The maximum memory of the context table, in MiB.
        public var memory = 1024
        /// The learning rate of the mixers.
        public var rate = 0.002

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
        /// The number of tokens predicted between two steps.
        public var fresh = 32
        /// The number of tokens in the context of a prediction and in a step, at most the model's positions.
        public var window = 128
        /// The number of earlier windows replayed in each step.
        public var replays = 1
        /// Adam's learning rate times the model's width.
        public var rate = 0.05
        /// The seed of the random choice of earlier windows.
        public var seed = 1

        public init() {}

        public func validate() throws(SettingsError) {
            try SettingsError.require((2...65536).contains(window), "window", "is \(window), not 2…65,536")
            try SettingsError.require((1...window).contains(fresh), "fresh", "is \(fresh), not between 1 and the window's \(window)")
            try SettingsError.require((0...64).contains(replays), "replays", "is \(replays), not 0…64")
            try SettingsError.require(rate >= 0 && rate <= 10, "rate", "is \(rate), not 0…10")
            try SettingsError.require(seed >= 0, "seed", "is \(seed), below 0")
        }
    }
}
