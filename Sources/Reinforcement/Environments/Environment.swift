import Statistics

/// A world that answers actions: what is observed, what it was worth, and whether it goes on.
public protocol Environment: Sendable {
    var inputs: Int { get }
    var actions: ActionSpace { get }

    /// Begins an episode; gives what is observed first.
    mutating func reset(using random: inout RandomSource) -> [Float]
    mutating func step(_ decision: Decision) -> Outcome
}

/// What an environment answers to an action.
public struct Outcome: Sendable, Equatable {
    public var observation: [Float]
    public var reward: Double
    /// The world has ended: nothing follows.
    public var isTerminal: Bool
    /// Time is up although the world would go on.
    public var isTruncated: Bool

    public init(observation: [Float], reward: Double, isTerminal: Bool, isTruncated: Bool) {
        self.observation = observation
        self.reward = reward
        self.isTerminal = isTerminal
        self.isTruncated = isTruncated
    }
}

/// Every native environment, by the name that Gymnasium gives it.
public let environments: KeyValuePairs<String, any Environment> = [
    "CartPole-v1": CartPole(),
    "Pendulum-v1": Pendulum(),
]

extension Policy {
    /// The returns of whole episodes, without exploring.
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
