import Statistics
import StrictJSON
import Tensors

/// A policy: decides on an action for an observation. Its parameters can be replaced.
public protocol Policy: AnyObject {
    var actions: ActionSpace { get }
    /// The number of numbers in an observation.
    var inputs: Int { get }
    var parameters: ParameterStore<Float> { get }

    /// Decides on an action.
    /// - Parameters:
    ///   - observation: `inputs` numbers.
    ///   - explores: whether an action is drawn at random; otherwise the best one is taken.
    ///   - random: the source of randomness.
    func decide(on observation: [Float], explores: Bool, using random: inout RandomSource) -> Decision

    /// The estimated value of an observation; 0 if the policy makes no estimate.
    func value(of observation: [Float]) -> Double

    /// The probability of each choice with exploration; empty for controls.
    func probabilities(on observation: [Float]) -> [Double]
}

extension Policy {
    public func value(of observation: [Float]) -> Double { 0 }
}

/// Improves a policy from the transitions that follow its decisions.
public protocol PolicyLearner: AnyObject {
    /// The policy's parameters, which can be replaced.
    var parameters: ParameterStore<Float> { get }

    /// The number of transitions that it learns from at once.
    var batchSize: Int { get }

    /// Whether it can learn from decisions of older versions of the policy.
    var isOffPolicy: Bool { get }

    /// Adds transitions in order, those of a session one after the other, up to one that is the last of its run.
    /// - Returns: the progress, if there were enough transitions to learn from; else nil.
    func learn(from transitions: [Transition]) -> PolicyProgress?

    /// The learner's state beside the policy's parameters.
    var state: PolicyState { get }

    /// Continues after the policy's parameters were replaced by those of a checkpoint, with the parts of `state` that match.
    func resume(from state: PolicyState)
}

extension PolicyLearner {
    public var isOffPolicy: Bool { false }
    public var state: PolicyState { PolicyState() }
    public func resume(from state: PolicyState) {}
}

/// The result of a round of learning.
public struct PolicyProgress: Sendable, Equatable {
    public var transitions: Int
    public var loss: Double
    /// The KL divergence of the policy from the one that decided, in nats; 0 if it is not measured.
    public var divergence: Double
    /// The number of steps skipped because a gradient was not finite.
    public var skipped: Int
    /// Of a policy that writes texts: its KL divergence from the reference model, in nats per token.
    public var fromReference: Double
    /// Of a policy that writes texts: β, the weight of that divergence in the reward.
    public var penalty: Double

    public init(transitions: Int, loss: Double, divergence: Double = 0, skipped: Int = 0, fromReference: Double = 0, penalty: Double = 0) {
        self.transitions = transitions
        self.loss = loss
        self.divergence = divergence
        self.skipped = skipped
        self.fromReference = fromReference
        self.penalty = penalty
    }
}

/// All kinds of policies, by the names used in configurations.
public let policyLearners: KeyValuePairs<String, any ConfigurablePolicy.Type> = [
    "ppo": PPO.self,
    "ddpg": DDPG.self,
    "bandit": LinearBandit.self,
    "fixed": FixedPolicy.self,
]

/// A policy learner that can be chosen by name in the configuration.
public protocol ConfigurablePolicy: PolicyLearner, SendableMetatype {
    associatedtype Configuration: Settings

    var policy: any Policy { get }

    /// - Throws: a setting that is not valid, or an action space that is not supported.
    init(inputs: Int, actions: ActionSpace, _ configuration: Configuration, seed: UInt64) throws(SettingsError)
}

extension ConfigurablePolicy {
    public var parameters: ParameterStore<Float> { policy.parameters }

    static func make(inputs: Int, actions: ActionSpace, settings: JSON, seed: UInt64) throws(SettingsError) -> any ConfigurablePolicy {
        try Self(inputs: inputs, actions: actions, Configuration(settings), seed: seed)
    }
}

/// Creates a policy learner.
/// - Parameters:
///   - name: a key of `policyLearners`.
///   - inputs: the number of numbers in an observation.
///   - actions: the action space.
///   - settings: a JSON object that overrides the learner's default settings.
///   - seed: the seed of the initial parameters and of all random choices in learning.
/// - Throws: an unknown name, a setting that is not valid, or an action space that is not supported.
public func policyLearner(
    _ name: String, inputs: Int, actions: ActionSpace, settings: JSON = .object([:]), seed: UInt64
) throws(SettingsError) -> any ConfigurablePolicy {
    guard let type = policyLearners.first(where: { $0.key == name })?.value else {
        throw SettingsError("policy", "there is no '\(name)'; there are \(policyLearners.map(\.key).joined(separator: ", "))")
    }
    return try type.make(inputs: inputs, actions: actions, settings: settings, seed: seed)
}
