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
    /// buckets (batch·words), negative where there is no word; mask (batch, words), 1 where there is one; shares (batch·words), factors of the embeddings, if there are
    /// any; gives (batch, tokens·width).
    public func encode<S>(
        _ buckets: Indices, mask: Tensor<S>, shares: Tensor<S>? = nil, batch: Int, in graph: Graph<S>
    ) -> Tensor<S> {
        let embedded = table(buckets, in: graph)
        let scaled = shares.map { graph.scaleRows(embedded, by: $0) } ?? embedded
        return graph.add(graph.poolRows(scaled, batch: batch, mask: mask), graph.parameter(biasName))
    }
}
