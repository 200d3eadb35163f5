import Statistics

extension ByteLearner {
    /// Settings of a learner of bytes; the defaults suit any text.
    public struct Configuration: Settings {
        /// The most memory for what was seen, in MiB: more contexts are remembered with more.
        public var memory = 1024
        /// How fast the mixers learn, in the logistic domain.
        public var rate = 0.002

        public init() {}

        public func validate() throws(SettingsError) {
            try SettingsError.require((1...65536).contains(memory), "memory", "is \(memory) MiB, not 1…65,536")
            try SettingsError.require(rate >= 0 && rate <= 0.1, "rate", "is \(rate), not 0…0.1")
        }
    }
}

extension TokenLearner {
    /// Settings of a learner of tokens.
    public struct Configuration: Settings {
        /// Tokens that are predicted before the next step.
        public var fresh = 32
        /// Tokens that a prediction and a step look back over, at most the model's positions.
        public var window = 128
        /// Earlier windows that are learned again beside the newest.
        public var replays = 1
        /// The rate of a step (Adam) is this over the model's width.
        public var rate = 0.05
        /// Of the random choice of earlier windows.
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
