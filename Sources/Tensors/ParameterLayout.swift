/// Where every parameter lies in one flat run of numbers: one after another, in the order given, without gaps.
public struct ParameterLayout: Sendable, Equatable {
    public let parameters: [Parameter]
    /// The place of each parameter, in the order of `parameters`.
    public let ranges: [Range<Int>]
    public let count: Int
    private let positions: [String: Int]

    /// Names are unique.
    public init(_ parameters: [Parameter]) {
        var ranges: [Range<Int>] = []
        var positions: [String: Int] = [:]
        var end = 0
        for (index, parameter) in parameters.enumerated() {
            let earlier = positions.updateValue(index, forKey: parameter.name)
            precondition(earlier == nil, "two parameters are called \(parameter.name)")
            ranges.append(end..<end + parameter.count)
            end += parameter.count
        }
        self.parameters = parameters
        self.ranges = ranges
        self.positions = positions
        count = end
    }

    public func range(of name: String) -> Range<Int>? {
        positions[name].map { ranges[$0] }
    }

    public subscript(name: String) -> Parameter? {
        positions[name].map { parameters[$0] }
    }
}
