/// An invalid setting of a model, and what is wrong with it.
public struct ConfigurationProblem: Error, Sendable, Equatable, CustomStringConvertible {
    /// The setting's path in the configuration file, such as `senses.image.rows`.
    public let key: String
    /// What is wrong, as a sentence without the key.
    public let problem: String

    public init(key: String, problem: String) {
        self.key = key
        self.problem = problem
    }

    public var description: String { "\(key): \(problem)" }
}
