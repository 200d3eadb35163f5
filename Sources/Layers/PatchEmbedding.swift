import Tensors

/// Turns rows of features into tokens: a projection of each row plus a learned embedding of its position.
/// https://arxiv.org/abs/2010.11929
public struct PatchEmbedding: Layer {
    public let rows: Int
    private let project: Linear
    private let positions: Embedding

    /// The projection is initialised with deviation 1/√features, so that normalised features give tokens of about unit size.
    public init(_ name: String, rows: Int, features: Int, width: Int) {
        self.rows = rows
        project = Linear("\(name).projection", features, width, deviation: 1 / Double(features).squareRoot())
        positions = Embedding("\(name).positions", rows, width)
    }

    public var parameters: [Parameter] { project.parameters + positions.parameters }

    public func initialize<S: Scalar>(_ store: ParameterStore<S>, using generator: inout some RandomNumberGenerator) {
        project.initialize(store, using: &generator)
        positions.initialize(store, using: &generator)
    }

    /// x (batch·rows, features); returns (batch·rows, width).
    public func callAsFunction<S>(_ x: Tensor<S>, in graph: Graph<S>) -> Tensor<S> {
        graph.add(project(x, in: graph), graph.parameter("\(positions.name).weight"))
    }
}
