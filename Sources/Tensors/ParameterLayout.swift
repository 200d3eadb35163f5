/// The offsets of parameters in one flat array: one after another, in the order given, without gaps.
public struct ParameterLayout: Sendable, Equatable {
    public let parameters: [Parameter]
    /// The index range of each parameter, in the order of `parameters`.
    public let ranges: [Range<Int>]
    /// The length of the array.
    public let count: Int
    private let positions: [String: Int]

    /// A layout of parameters, whose names must be unique.
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

    /// The index range of a parameter, nil if there is none of this name.
    public func range(of name: String) -> Range<Int>? {
        positions[name].map { ranges[$0] }
    }

    /// The parameter of this name, nil if there is none.
    public subscript(name: String) -> Parameter? {
        positions[name].map { parameters[$0] }
    }
}
