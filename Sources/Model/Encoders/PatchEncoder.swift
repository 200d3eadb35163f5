import Layers
import Tensors

/// A transformer encoder: rows become tokens with positions, go through self-attention blocks, and are pooled by learned queries.
/// https://arxiv.org/abs/2010.11929, https://arxiv.org/abs/2103.03206
public struct PatchEncoder: SenseEncoder, Composite {
    private let embed: PatchEmbedding
    private let blocks: [Block]
    private let gather: Gathering

    public init(_ name: String, of sense: MultimodalConfiguration.Sense, for model: MultimodalConfiguration) {
        embed = PatchEmbedding("\(name).embed", rows: sense.rows, features: sense.columns, width: model.width)
        blocks = (0..<sense.blocks).map { Block($0 == 0 ? "\(name).block" : "\(name).block.\($0)", model.width, heads: model.heads) }
        gather = Gathering("\(name).gather", for: model)
    }

    public var parts: [any Layer] { [embed] + blocks + [gather] }

    public func encode<S>(_ values: Tensor<S>, mask: Tensor<S>, batch: Int, in graph: Graph<S>) -> Tensor<S> {
        var mixed = embed(values, in: graph)
        for block in blocks { mixed = block(mixed, batch: batch, visibility: .all, keyMask: mask, in: graph) }
        return gather(mixed, mask: mask, batch: batch, in: graph)
    }
}
