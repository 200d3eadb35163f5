import Layers
import Tensors

/// An encoder of one strided convolution over the rows, self-attention blocks, and attention pooling by learned queries: for sounds,
/// whose rows are points in time, and for images, whose rows are patches.  https://arxiv.org/abs/2106.14881
public struct StemEncoder: SenseEncoder, Composite {
    private let stem: Convolution
    private let places: Embedding
    private let blocks: [Block]
    private let gather: Gathering
    private let rows: Int, columns: Int

    public init(_ name: String, of sense: MultimodalConfiguration.Sense, for model: MultimodalConfiguration) {
        (rows, columns) = (sense.rows, sense.columns)
        let window = Window(height: 3, width: 1, stride: 2, padding: (rows: 1, columns: 0))
        stem = Convolution("\(name).stem", channels: sense.columns, outputs: model.width, window: window)
        places = Embedding("\(name).positions", window.rows(of: sense.rows), model.width)
        blocks = (0..<sense.blocks).map { Block("\(name).block.\($0)", model.width, heads: model.heads) }
        gather = Gathering("\(name).gather", for: model)
    }

    public var parts: [any Layer] { [stem, places] + blocks + [gather] }

    public func encode<S>(_ values: Tensor<S>, mask: Tensor<S>, batch: Int, in graph: Graph<S>) -> Tensor<S> {
        let convolved = graph.activate(stem(values.reshaped([batch, rows, 1, columns]), in: graph), .gelu)
        var sequence = graph.add(convolved.reshaped([convolved.rows, convolved.columns]), graph.parameter("\(places.name).weight"))
        for block in blocks { sequence = block(sequence, batch: batch, visibility: .all, in: graph) }
        return gather(sequence, mask: nil, batch: batch, in: graph)
    }
}
