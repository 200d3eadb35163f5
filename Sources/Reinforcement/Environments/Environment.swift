import Statistics

/// A reinforcement learning environment: it answers an action with an observation, a reward, and whether the episode continues.
public protocol Environment: Sendable {
    /// The number of numbers in an observation.
    var inputs: Int { get }
    var actions: ActionSpace { get }

    /// Begins an episode and returns the first observation.
    mutating func reset(using random: inout RandomSource) -> [Float]

    /// Performs an action.
    mutating func step(_ decision: Decision) -> Outcome
}

/// The result of a step of an environment.
public struct Outcome: Sendable, Equatable {
    public var observation: [Float]
    public var reward: Double
    /// Whether the episode has ended in a terminal state.
    public var isTerminal: Bool
    /// Whether the episode has been cut off by a time limit.
    public var isTruncated: Bool

    public init(observation: [Float], reward: Double, isTerminal: Bool, isTruncated: Bool) {
        self.observation = observation
        self.reward = reward
        self.isTerminal = isTerminal
        self.isTruncated = isTruncated
    }
}

/// All built-in environments, by their names in Gymnasium.
public let environments: KeyValuePairs<String, any Environment> = [
    "CartPole-v1": CartPole(),
    "Pendulum-v1": Pendulum(),
]

extension Policy {
    /// The returns (sums of rewards) of whole episodes without exploration.
    public func evaluate(in environment: some Environment, episodes: Int, seed: UInt64) -> [Double] {
        var environment = environment, random = RandomSource(seed: seed)
        return (0..<episodes).map { _ in
            var observation = environment.reset(using: &random), total = 0.0
            while true {
                let outcome = environment.step(decide(on: observation, explores: false, using: &random))
                observation = outcome.observation
                total += outcome.reward
                if outcome.isTerminal || outcome.isTruncated { return total }
            }
        }
    }
}
