import Statistics
import Tensors

/// Something that decides on an observation, with parameters that are exchanged whole.
public protocol Policy: AnyObject {
    var actions: ActionSpace { get }
    /// How many numbers an observation has.
    var inputs: Int { get }
    var parameters: ParameterStore<Float> { get }

    /// - Parameter explores: whether it may try what it does not think best.
    func decide(on observation: [Float], explores: Bool, using random: inout RandomSource) -> Decision

    /// What the policy expects to follow an observation; 0 where it makes no estimate.
    func value(of observation: [Float]) -> Double

    /// Of choices: how likely each is when it explores; empty for controls.
    func probabilities(on observation: [Float]) -> [Double]
}

extension Policy {
    public func value(of observation: [Float]) -> Double { 0 }
}

/// Something that makes a policy better from what came of its decisions.
public protocol PolicyLearner: AnyObject {
    /// The policy's numbers, which are exchanged whole.
    var parameters: ParameterStore<Float> { get }

    /// How many steps it wants to learn from at once.
    var appetite: Int { get }

    /// Whether what an older policy decided teaches as well as what the newest did.
    var isOffPolicy: Bool { get }

    /// Takes steps in, in order, those of one session one after another, up to one that is the last of its run.
    /// - Returns: what was learned, once there was enough to learn from.
    func learn(from transitions: [Transition]) -> PolicyProgress?

    /// What it remembers beside the policy's numbers.
    var state: PolicyState { get }

    /// The policy's numbers were exchanged, by a checkpoint's: goes on from them, and from as much of the state as fits.
    func resume(from state: PolicyState)
}

extension PolicyLearner {
    public var isOffPolicy: Bool { false }
    public var state: PolicyState { PolicyState() }
    public func resume(from state: PolicyState) {}
}

/// What a round of learning did.
public struct PolicyProgress: Sendable, Equatable {
    public var transitions: Int
    public var loss: Double
    /// How far the policy moved from the one that decided, in nats; 0 where that is not measured.
    public var divergence: Double
    /// Steps not taken because a gradient was not finite.
    public var skipped: Int
    /// Of texts: how far the policy is from the model that holds it, in nats a token, and β, the price of that.
    public var fromReference: Double
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

/// Every kind of policy, by the name that configurations use.
public let policyLearners: KeyValuePairs<String, any ConfigurablePolicy.Type> = [
    "ppo": PPO.self,
    "ddpg": DDPG.self,
    "bandit": LinearBandit.self,
    "fixed": FixedPolicy.self,
]

/// A learner that settings can name.
public protocol ConfigurablePolicy: PolicyLearner, SendableMetatype {
    associatedtype Configuration: Settings

    var policy: any Policy { get }

    /// - Throws: what about the settings does not go with these actions.
    init(inputs: Int, actions: ActionSpace, _ configuration: Configuration, seed: UInt64) throws(SettingsError)
}

extension ConfigurablePolicy {
    public var parameters: ParameterStore<Float> { policy.parameters }

    static func make(inputs: Int, actions: ActionSpace, settings: JSONValue, seed: UInt64) throws(SettingsError) -> any ConfigurablePolicy {
        try Self(inputs: inputs, actions: actions, Configuration(settings), seed: seed)
    }
}

/// A learner by name, with settings laid over its defaults.
public func policyLearner(
    _ name: String, inputs: Int, actions: ActionSpace, settings: JSONValue = .object([:]), seed: UInt64
) throws(SettingsError) -> any ConfigurablePolicy {
    guard let type = policyLearners.first(where: { $0.key == name })?.value else {
        throw SettingsError("policy", "there is no '\(name)'; there are \(policyLearners.map(\.key).joined(separator: ", "))")
    }
    return try type.make(inputs: inputs, actions: actions, settings: settings, seed: seed)
}
