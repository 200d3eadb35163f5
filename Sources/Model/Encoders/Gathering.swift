import Layers
import Tensors

/// Attention pooling from many tokens to few: learned queries attend to a sequence, and the result is added to a projection of the
/// sequence's mean.
/// https://arxiv.org/abs/2103.03206
struct Gathering: Composite {
    private let queries: Embedding
    private let norm: LayerNorm
    private let read: CrossAttention
    private let project: Linear
    private let tokens: Int, width: Int

    init(_ name: String, for model: MultimodalConfiguration) {
        (tokens, width) = (model.tokens, model.width)
        queries = Embedding("\(name).questions", tokens, width, deviation: 1)
        norm = LayerNorm("\(name).norm", width)
        read = CrossAttention("\(name).read", width, heads: model.heads, deviation: 1 / Double(width).squareRoot())
        project = .unitScaled("\(name).tell", width, tokens * width)
    }

    var parts: [any Layer] { [queries, norm, read, project] }

    /// sequence (batch·T, width), mask (batch, T); gives (batch, tokens·width).
    func callAsFunction<S>(_ sequence: Tensor<S>, mask: Tensor<S>?, batch: Int, in graph: Graph<S>) -> Tensor<S> {
        let sequence = norm(sequence, in: graph)
        let repeated = graph.add(graph.input([batch * tokens, width]), graph.parameter("\(queries.name).weight"))
        let answers = read(repeated, attendingTo: sequence, batch: batch, keyMask: mask, in: graph)
        let mean = project(graph.poolRows(sequence, batch: batch, mask: mask), in: graph)
        return graph.add(mean, answers.reshaped([batch, tokens * width]))
    }
}
