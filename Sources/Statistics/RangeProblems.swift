/// Settings whose values lie outside their ranges, collected by key.
public struct RangeProblems {
    public private(set) var found: [(key: String, text: String)] = []

    public init() {}

    /// Notes `key` unless `value` lies within `range`; a number that is not finite lies in none.
    public mutating func require<Value: Comparable>(_ key: String, _ value: Value, in range: ClosedRange<Value>) {
        if !range.contains(value) { found.append((key, "\(value) is not within \(range.lowerBound)…\(range.upperBound)")) }
    }
}

extension [(key: String, text: String)] {
    /// The same problems in a section of the configuration: `key` becomes `section.key`.
    public func inSection(_ section: String) -> Self { map { ("\(section).\($0.key)", $0.text) } }
}
