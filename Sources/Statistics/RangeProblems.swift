/// Settings whose values lie outside their ranges, collected by key.
public struct RangeProblems {
    public private(set) var found: [SettingsError] = []

    public init() {}

    /// Notes `key` unless `value` lies within `range`; a number that is not finite lies in none.
    public mutating func require<Value: Comparable>(_ key: String, _ value: Value, in range: ClosedRange<Value>) {
        if let problem = SettingsError.unless(key, value, in: range) { found.append(problem) }
    }
}

extension SettingsError {
    /// A problem unless `value` lies within `range`, else nil; a number that is not finite lies in none.
    public static func unless<Value: Comparable>(_ key: String, _ value: Value, in range: ClosedRange<Value>) -> SettingsError? {
        range.contains(value) ? nil : SettingsError(key, "\(value) is not within \(range.lowerBound)…\(range.upperBound)")
    }
}

extension [SettingsError] {
    /// The same problems in a section of the configuration: `key` becomes `section.key`.
    public func inSection(_ section: String) -> Self { map { SettingsError("\(section).\($0.key)", $0.problem) } }
}
