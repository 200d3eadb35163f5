import Layers
import Tensors

/// Every row embedded alike, all rows joined, one hidden layer: the quickest learner for small, well-placed readings.
public struct DenseEncoder: SenseEncoder, Composite {
    private let embed: Linear
    private let join: Linear
    private let tell: Linear
    private let rows: Int

    public init(_ name: String, of sense: MultimodalConfiguration.Sense, for model: MultimodalConfiguration) {
        rows = sense.rows
        embed = .even("\(name).embed", sense.columns, sense.embedding)
        join = .even("\(name).join", sense.rows * sense.embedding, sense.hidden)
        tell = .even("\(name).tell", sense.hidden, model.tokens * model.width)
    }

    public var parts: [any Layer] { [embed, join, tell] }

    public func encode<S>(_ values: Tensor<S>, mask: Tensor<S>, batch: Int, in graph: Graph<S>) -> Tensor<S> {
        let embedded = graph.scaleRows(graph.activate(embed(values, in: graph), .gelu), by: mask)
        let joined = join(embedded.reshaped([batch, rows * embed.outputs]), in: graph)
        return tell(graph.activate(joined, .gelu), in: graph)
    }
}
