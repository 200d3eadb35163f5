import Layers
import Tensors
import TensorsTesting

/// Every layer, with parameters drawn at random.
let layerCases: [any Composition] = [
    LinearLayerCase(), LayerNormCase(), EmbeddingCase(), AttentionCase(), CrossAttentionCase(), MLPCase(), BlockCase(), RMSNormCase(),
    GatedMLPCase(), GroupedAttentionCase(), ContinuedAttentionCase(), GroupedAttentionCase(hasBias: true, visibility: .sliding(window: 2)),
    ConvolutionCase(), PatchEmbeddingCase(),
]

struct LinearLayerCase: Composition {
    let layer = Linear("f", 5, 7)
    var parameters: [Parameter] { layer.parameters }
    func record<S>(in graph: Graph<S>) -> Tensor<S> { layer(graph.example([3, 5]), in: graph) }
}

struct LayerNormCase: Composition {
    let layer = LayerNorm("norm", 12)
    var parameters: [Parameter] { layer.parameters }
    func record<S>(in graph: Graph<S>) -> Tensor<S> { layer(graph.example([3, 12]), in: graph) }
}

struct EmbeddingCase: Composition {
    let layer = Embedding("table", 9, 12)
    var parameters: [Parameter] { layer.parameters }
    func record<S>(in graph: Graph<S>) -> Tensor<S> { layer(graph.indices([3, 8, 3]), in: graph) }
}

struct AttentionCase: Composition {
    let layer = Attention("attn", 12, heads: 3)
    var parameters: [Parameter] { layer.parameters + [Parameter("x", [2 * 4, 12])] }
    func record<S>(in graph: Graph<S>) -> Tensor<S> {
        layer(graph.parameter("x"), batch: 2, visibility: .causal(prefix: 2), in: graph)
    }
}

struct CrossAttentionCase: Composition {
    let layer = CrossAttention("crossattention", 12, attendingTo: 5, heads: 3)
    var parameters: [Parameter] { layer.parameters + [Parameter("x", [2 * 3, 12]), Parameter("others", [2 * 4, 5])] }
    func record<S>(in graph: Graph<S>) -> Tensor<S> {
        let mask = graph.constant([2, 4], [1, 0, 1, 1, 0, 0, 0, 0])
        return layer(graph.parameter("x"), attendingTo: graph.parameter("others"), batch: 2, keyMask: mask, in: graph)
    }
}

struct MLPCase: Composition {
    let layer = MLP("mlp", 8, hidden: 20, outputs: 3)
    var parameters: [Parameter] { layer.parameters }
    func record<S>(in graph: Graph<S>) -> Tensor<S> { layer(graph.example([3, 8]), in: graph) }
}

struct BlockCase: Composition {
    let layer = Block("h.0", 12, heads: 3)
    var parameters: [Parameter] { layer.parameters + [Parameter("x", [2 * 4, 12])] }
    func record<S>(in graph: Graph<S>) -> Tensor<S> {
        layer(graph.parameter("x"), batch: 2, visibility: .causal(), in: graph)
    }
}

struct RMSNormCase: Composition {
    let layer = RMSNorm("norm", 12)
    var parameters: [Parameter] { layer.parameters + [Parameter("x", [3, 12])] }
    func record<S>(in graph: Graph<S>) -> Tensor<S> { layer(graph.parameter("x"), in: graph) }
}

struct GatedMLPCase: Composition {
    let layer = GatedMLP("mlp", 8, hidden: 20)
    var parameters: [Parameter] { layer.parameters + [Parameter("x", [3, 8])] }
    func record<S>(in graph: Graph<S>) -> Tensor<S> { layer(graph.parameter("x"), in: graph) }
}

struct GroupedAttentionCase: Composition {
    var hasBias = false
    var visibility = Visibility.causal()
    var name: String { "grouped attention, \(visibility)\(hasBias ? ", with biases" : "")" }
    var layer: GroupedAttention {
        GroupedAttention("attn", .init(width: 12, heads: 4, groups: 2, headWidth: 6, hasInputBias: hasBias, hasOutputBias: hasBias))
    }
    var parameters: [Parameter] { layer.parameters + [Parameter("x", [2 * 4, 12])] }
    func record<S>(in graph: Graph<S>) -> Tensor<S> {
        let rotation = graph.rotation(frequencies: [1, 0.1, 0.01], positions: 4)
        return layer(graph.parameter("x"), batch: 2, rotation: rotation, visibility: visibility, in: graph)
    }
}

/// Attention to two earlier rows, which are zero, and to its own.
struct ContinuedAttentionCase: Composition {
    let layer = GroupedAttention("attn", .init(width: 12, heads: 4, groups: 2, headWidth: 6))
    var parameters: [Parameter] { layer.parameters + [Parameter("x", [4, 12])] }
    func record<S>(in graph: Graph<S>) -> Tensor<S> {
        let cache = AttentionCache(length: 3, rows: 4, in: graph), frequencies = [1, 0.1, 0.01]
        let rotations = (
            fresh: graph.rotation(frequencies: frequencies, positions: 4, firstPosition: 3),
            all: graph.rotation(frequencies: frequencies, positions: 7)
        )
        let y = layer(graph.parameter("x"), rotations: rotations, visibility: .causal(), cache: cache, in: graph)
        cache.append(2)
        return y
    }
}

struct ConvolutionCase: Composition {
    let layers = [
        Convolution("a", channels: 2, outputs: 3, window: Window(height: 3, width: 3, padding: (rows: 1, columns: 1))),
        Convolution("b", channels: 3, outputs: 4, window: Window(height: 1, width: 2, stride: 2)),
    ]
    var parameters: [Parameter] { layers.parameters }
    func record<S>(in graph: Graph<S>) -> Tensor<S> {
        layers[1](graph.activate(layers[0](graph.example([2, 4, 4, 2]), in: graph), .tanh), in: graph)
    }
}

struct PatchEmbeddingCase: Composition {
    let layer = PatchEmbedding("patches", rows: 3, features: 5, width: 8)
    var parameters: [Parameter] { layer.parameters }
    func record<S>(in graph: Graph<S>) -> Tensor<S> { layer(graph.example([2 * 3, 5]), in: graph) }
}
