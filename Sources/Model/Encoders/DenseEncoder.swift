import Layers
import Tensors

/// An encoder that embeds every row with the same weights, concatenates all rows and applies one hidden layer. It learns fastest
/// on small inputs whose rows have fixed meanings.
public struct DenseEncoder: SenseEncoder, Composite {
    private let embed: Linear
    private let join: Linear
    private let output: Linear
    private let rows: Int

    public static var scalesByMask: Bool { true }

    public init(_ name: String, of sense: MultimodalConfiguration.Sense, for model: MultimodalConfiguration) {
        rows = sense.rows
        embed = .unitScaled("\(name).embed", sense.columns, sense.embedding)
        join = .unitScaled("\(name).join", sense.rows * sense.embedding, sense.hidden)
        output = .unitScaled("\(name).tell", sense.hidden, model.tokens * model.width)
    }

    public var parts: [any Layer] { [embed, join, output] }

    public func encode<S>(_ values: Tensor<S>, mask: Tensor<S>, batch: Int, in graph: Graph<S>) -> Tensor<S> {
        let embedded = graph.scaleRows(graph.activate(embed(values, in: graph), .gelu), by: mask)
        let joined = join(embedded.reshaped([batch, rows * embed.outputs]), in: graph)
        return output(graph.activate(joined, .gelu), in: graph)
    }
}
