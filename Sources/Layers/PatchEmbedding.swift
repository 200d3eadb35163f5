import Tensors

/// Rows of features as tokens: a projection of each row, and a learned vector for its place.  https://arxiv.org/abs/2010.11929
public struct PatchEmbedding: Layer {
    public let rows: Int
    private let project: Linear
    private let places: Embedding

    /// The projection starts with deviation 1/√features, so that normalised features give tokens of about unit size.
    public init(_ name: String, rows: Int, features: Int, width: Int) {
        self.rows = rows
        project = Linear("\(name).projection", features, width, deviation: 1 / Double(features).squareRoot())
        places = Embedding("\(name).positions", rows, width)
    }

    public var parameters: [Parameter] { project.parameters + places.parameters }

    public func initialize<S: Scalar>(_ store: ParameterStore<S>, using generator: inout some RandomNumberGenerator) {
        project.initialize(store, using: &generator)
        places.initialize(store, using: &generator)
    }

    /// x (batch·rows, features); gives (batch·rows, width).
    public func callAsFunction<S>(_ x: Tensor<S>, in graph: Graph<S>) -> Tensor<S> {
        graph.add(project(x, in: graph), graph.parameter("\(places.name).weight"))
    }
}
