import Layers
import Tensors

/// An encoder of two strided convolutions over time, then attention pooling by learned queries, which is independent of the time.
public struct ConvolutionEncoder: SenseEncoder, Composite {
    private let first: Convolution
    private let second: Convolution
    private let widen: Linear
    private let gather: Gathering
    private let rows: Int, columns: Int

    public init(_ name: String, of sense: MultimodalConfiguration.Sense, for model: MultimodalConfiguration) {
        (rows, columns) = (sense.rows, sense.columns)
        let window = { Window(height: $0, width: 1, stride: 2, padding: (rows: $0 / 2, columns: 0)) }
        first = Convolution("\(name).first", channels: sense.columns, outputs: sense.embedding, window: window(5))
        second = Convolution("\(name).second", channels: sense.embedding, outputs: sense.hidden, window: window(3))
        widen = .unitScaled("\(name).widen", sense.hidden, model.width)
        gather = Gathering("\(name).gather", for: model)
    }

    public var parts: [any Layer] { [first, second, widen, gather] }

    public func encode<S>(_ values: Tensor<S>, mask: Tensor<S>, batch: Int, in graph: Graph<S>) -> Tensor<S> {
        let convolved = graph.activate(first(values.reshaped([batch, rows, 1, columns]), in: graph), .gelu)
        let joined = graph.activate(second(convolved, in: graph), .gelu)
        let sequence = widen(joined.reshaped([joined.rows, joined.columns]), in: graph)
        return gather(sequence, mask: nil, batch: batch, in: graph)
    }
}
