/// A line of a decision log: the observation, the action, its probability and the reward.
public struct LoggedDecision: Codable, Sendable, Equatable {
    public var decision: String
    public var policy: String
    public var version: UInt64
    public var observation: [Float]
    public var choice: Int?
    public var values: [Float]?
    /// The tokens of a text.
    public var tokens: [Int]?
    /// ln of the probability of the choice or the text, or of the density of the values.
    public var logProbability: Double
    public var value: Double
    public var reward: Double
    /// Whether the reward comes from feedback; otherwise it is the default.
    public var hasFeedback: Bool

    /// Keys of the log's lines.
    private enum CodingKeys: String, CodingKey {
        case decision, policy, version, observation, choice, values, tokens, logProbability, value, reward
        case hasFeedback = "wasTold"
    }

    public init(
        decision: String, policy: String, version: UInt64, observation: [Float], choice: Int?, values: [Float]? = nil, tokens: [Int]? = nil,
        logProbability: Double, value: Double, reward: Double, hasFeedback: Bool
    ) {
        self.decision = decision
        self.policy = policy
        self.version = version
        self.observation = observation
        self.choice = choice
        self.values = values
        self.tokens = tokens
        self.logProbability = logProbability
        self.value = value
        self.reward = reward
        self.hasFeedback = hasFeedback
    }
}
