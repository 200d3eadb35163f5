import Layers
import Model
import Statistics

extension TextPPO {
    /// The settings of learning to write from rewards.
    public struct Configuration: Settings {
        /// What is learned: `adapters` of the shared trunk, or a separate `trunk`.
        public var learns = TextPolicy.Scope.adapters.rawValue
        public var rank = 8
        public var alpha = 16.0
        /// Suffixes of the names of the projections with adapters.
        public var projections = ["c_attn", "c_proj", "c_fc"]
        public var learningRate = 3e-4
        /// The number of texts of a round of learning.
        public var texts = 32
        public var minibatch = 8
        public var epochs = 4
        public var discount = 1.0
        /// λ of the advantage estimate.
        public var lambda = 0.95
        public var clip = 0.2
        public var valueWeight = 0.5
        public var entropyWeight = 0.0
        public var maximumGradientNorm = 1.0
        /// The initial β, in reward per nat; 0 for no KL penalty.
        public var penalty = 0.1
        /// The divergence from the reference that β is adapted to, in nats per token.
        public var targetDivergence = 0.2
        /// How fast β is adapted; 0 for a constant β.
        public var adaptation = 0.2
        /// A round ends early when the divergence from the policy at its beginning exceeds this, in nats; 0 for no limit.
        public var roundDivergence = 0.05
        /// Whether the reference is the base model at the start; otherwise it is the current base model, which learns from moments,
        /// not from rewards.
        public var pinsReference = false

        public init() {}

        public func validate() throws(SettingsError) {
            try SettingsError.require(TextPolicy.Scope(rawValue: learns) != nil, "learns", "'\(learns)' is neither adapters nor trunk")
            try SettingsError.require(
                (1...1024).contains(rank) && alpha > 0 && alpha <= 1e6, "rank", "rank must be in 1…1024, alpha above 0 and at most 1e6")
            try SettingsError.require(
                !projections.isEmpty && projections.allSatisfy { ["c_attn", "c_proj", "c_fc", "attn.c_proj", "mlp.c_proj"].contains($0) },
                "projections", "\(projections) are not all among c_attn, c_proj, c_fc, attn.c_proj, mlp.c_proj")
            try SettingsError.require((0...1000).contains(learningRate), "learning_rate", "\(learningRate) is not in 0…1000")
            try SettingsError.require(
                (1...4096).contains(minibatch) && (1...65_536).contains(texts) && texts.isMultiple(of: minibatch), "minibatch",
                "\(texts) texts are not a multiple of \(minibatch)")
            try SettingsError.require((1...1000).contains(epochs), "epochs", "\(epochs) is not in 1…1000")
            try SettingsError.require(
                (0...1).contains(discount) && (0...1).contains(lambda), "discount", "discount and lambda must be in 0…1")
            try SettingsError.require(clip > 0 && clip < 1, "clip", "\(clip) is not between 0 and 1")
            try SettingsError.require(
                [valueWeight, entropyWeight, maximumGradientNorm].allSatisfy { (0...1e6).contains($0) }, "value_weight",
                "value_weight, entropy_weight and maximum_gradient_norm must be in 0…1e6")
            try SettingsError.require(
                [penalty, adaptation, roundDivergence].allSatisfy { (0...1e6).contains($0) }, "penalty",
                "penalty, adaptation and round_divergence must be in 0…1e6")
            try SettingsError.require(
                targetDivergence >= 1e-9 && targetDivergence <= 1e9, "target_divergence", "\(targetDivergence) is not in 1e-9…1e9")
        }

        var adapters: Adapters? {
            learns == TextPolicy.Scope.adapters.rawValue ? Adapters(rank: rank, alpha: alpha, projections: projections) : nil
        }

        /// The policy described by these settings.
        /// - Throws: a problem of the model's configuration.
        public func policy(_ model: MultimodalConfiguration) throws(SettingsError) -> TextPolicy {
            try TextPolicy(model, adapters: adapters)
        }
    }
}
