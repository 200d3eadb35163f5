/// The offsets of parameters in one flat array: one after another, in the order given, without gaps. Parameters that do not learn may
/// be frozen matrices instead, which are not in the array.
public struct ParameterLayout: Sendable, Equatable {
    /// The parameters in the array.
    public let parameters: [Parameter]
    /// The frozen matrices, by the names of the parameters that they take the place of.
    public let frozen: [String: any FrozenMatrix]
    /// The index range of each parameter, in the order of `parameters`.
    public let ranges: [Range<Int>]
    /// The length of the array.
    public let count: Int
    private let positions: [String: Int]

    /// A layout of parameters, whose names must be unique.
    /// - Parameters:
    ///   - all: the parameters in order.
    ///   - frozen: matrices that take the place of some of them.
    public init(_ all: [Parameter], frozen: [String: any FrozenMatrix] = [:]) {
        let parameters = frozen.isEmpty ? all : all.filter { frozen[$0.name] == nil }
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
        self.frozen = frozen
    }

    /// Whether the parameters in the array are the same, and the same are frozen.
    public static func == (a: ParameterLayout, b: ParameterLayout) -> Bool {
        a.parameters == b.parameters && a.frozen.keys == b.frozen.keys
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
