/// The settings of all frontends, one section for each modality.
public struct SignalConfiguration: Codable, Sendable, Equatable {
    public var text = TextModality.Configuration()
    public var image = ImageModality.Configuration()
    public var audio = AudioModality.Configuration()
    public var vector = VectorModality.Configuration()

    public init() {}

    /// All settings with values that are not allowed, by key (`image.patch`).
    public var problems: [SettingProblem] {
        [("text", text.problems), ("image", image.problems), ("audio", audio.problems), ("vector", vector.problems)]
            .flatMap { section, problems in
                problems.map { SettingProblem(key: "\(section).\($0.key)", problem: $0.problem) }
            }
    }
}

/// A setting with a value that is not allowed, and the reason.
public struct SettingProblem: Error, Sendable, Equatable, CustomStringConvertible {
    public let key: String
    public let problem: String

    public init(key: String, problem: String) {
        self.key = key
        self.problem = problem
    }

    public var description: String { "\(key) \(problem)" }

    /// A problem if `value` is outside `range`, else nil.
    static func unless<Value: Comparable>(_ key: String, _ value: Value, in range: ClosedRange<Value>) -> SettingProblem? {
        range.contains(value) ? nil : SettingProblem(key: key, problem: "is \(value), not within \(range.lowerBound)…\(range.upperBound)")
    }
}
