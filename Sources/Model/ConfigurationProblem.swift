/// A setting that makes no sense: which one, and what is wrong with it.
public struct ConfigurationProblem: Error, Sendable, Equatable, CustomStringConvertible {
    /// The setting's path as it stands in the configuration file, such as `senses.image.rows`.
    public let key: String
    public let problem: String

    public init(key: String, problem: String) {
        self.key = key
        self.problem = problem
    }

    public var description: String { "\(key): \(problem)" }
}
