import Tensors

/// An embedding table: a learned vector of `width` numbers for each index below `count`.
public struct Embedding: Layer {
    public let name: String
    public let count: Int, width: Int
    public let deviation: Double

    public init(_ name: String, _ count: Int, _ width: Int, deviation: Double = 0.02) {
        self.name = name
        self.count = count
        self.width = width
        self.deviation = deviation
    }

    public var parameters: [Parameter] { [Parameter("\(name).weight", [count, width])] }

    public func initialize<S: Scalar>(_ store: ParameterStore<S>, using generator: inout some RandomNumberGenerator) {
        store["\(name).weight"].fillNormal(deviation: deviation, using: &generator)
    }

    /// Returns (rows, width); a negative index gives zeros.
    public func callAsFunction<S>(_ rows: Indices, in graph: Graph<S>) -> Tensor<S> {
        graph.gatherRows(of: "\(name).weight", rows)
    }
}
