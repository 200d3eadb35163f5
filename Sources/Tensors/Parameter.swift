/// The name and shape of a learnable tensor. It holds no numbers itself; a `ParameterStore` does.
public struct Parameter: Sendable, Hashable {
    public let name: String
    public let shape: [Int]

    public init(_ name: String, _ shape: [Int]) {
        precondition(shape.allSatisfy { $0 > 0 }, "parameter \(name) has shape \(shape); every extent must be positive")
        self.name = name
        self.shape = shape
    }

    /// The product of the shape: 1 for a scalar.
    public var count: Int { shape.reduce(1, *) }
}
