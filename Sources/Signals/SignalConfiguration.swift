/// Settings of every frontend, one section a modality.
public struct SignalConfiguration: Codable, Sendable, Equatable {
    public var text = TextModality.Configuration()
    public var image = ImageModality.Configuration()
    public var audio = AudioModality.Configuration()
    public var vector = VectorModality.Configuration()

    public init() {}

    /// Every setting that makes no sense, by its key (`image.patch`).
    public var problems: [SettingProblem] {
        [("text", text.problems), ("image", image.problems), ("audio", audio.problems), ("vector", vector.problems)]
            .flatMap { section, problems in
                problems.map { SettingProblem(key: "\(section).\($0.key)", problem: $0.problem) }
            }
    }
}

/// A setting that makes no sense, and why.
public struct SettingProblem: Error, Sendable, Equatable, CustomStringConvertible {
    public let key: String
    public let problem: String

    public init(key: String, problem: String) {
        self.key = key
        self.problem = problem
    }

    public var description: String { "\(key) \(problem)" }

    /// A problem when `value` is outside `range`, else nil.
    static func unless<Value: Comparable>(_ key: String, _ value: Value, in range: ClosedRange<Value>) -> SettingProblem? {
        range.contains(value) ? nil : SettingProblem(key: key, problem: "is \(value), not within \(range.lowerBound)…\(range.upperBound)")
    }
}
