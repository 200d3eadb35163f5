import Layers
import Tensors

/// An encoder of text for the fusion: the mean of the embeddings of hashed words and word pairs.
public struct WordEncoder: Layer {
    private let table: Embedding
    private let biasName: String
    private let width: Int

    public init(_ name: String, for model: MultimodalConfiguration) {
        width = model.tokens * model.width
        table = Embedding("\(name).words", model.text.buckets, width)
        biasName = "\(name).bias"
    }

    public var parameters: [Parameter] { table.parameters + [Parameter(biasName, [width])] }

    public func initialize<S: Scalar>(_ store: ParameterStore<S>, using generator: inout some RandomNumberGenerator) {
        table.initialize(store, using: &generator)
        store[biasName].fill(0)
    }

    /// Encodes a batch.
    /// buckets (batch·words), negative where there is no word; mask (batch, words), 1 where there is one; gives (batch, tokens·width).
    public func encode<S>(_ buckets: Indices, mask: Tensor<S>, batch: Int, in graph: Graph<S>) -> Tensor<S> {
        graph.add(graph.poolRows(table(buckets, in: graph), batch: batch, mask: mask), graph.parameter(biasName))
    }
}
