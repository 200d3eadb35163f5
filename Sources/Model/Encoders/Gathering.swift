import Layers
import Tensors

/// Many tokens to few: learned questions attend to a sequence, and what they read joins the sequence's mean.
/// https://arxiv.org/abs/2103.03206
struct Gathering: Composite {
    private let questions: Embedding
    private let norm: LayerNorm
    private let read: CrossAttention
    private let tell: Linear
    private let tokens: Int, width: Int

    init(_ name: String, for model: MultimodalConfiguration) {
        (tokens, width) = (model.tokens, model.width)
        questions = Embedding("\(name).questions", tokens, width, deviation: 1)
        norm = LayerNorm("\(name).norm", width)
        read = CrossAttention("\(name).read", width, heads: model.heads, deviation: 1 / Double(width).squareRoot())
        tell = .even("\(name).tell", width, tokens * width)
    }

    var parts: [any Layer] { [questions, norm, read, tell] }

    /// sequence (batch·T, width), mask (batch, T); gives (batch, tokens·width).
    func callAsFunction<S>(_ sequence: Tensor<S>, mask: Tensor<S>?, batch: Int, in graph: Graph<S>) -> Tensor<S> {
        let sequence = norm(sequence, in: graph)
        let asked = graph.add(graph.input([batch * tokens, width]), graph.parameter("\(questions.name).weight"))
        let answers = read(asked, attendingTo: sequence, batch: batch, keyMask: mask, in: graph)
        let mean = tell(graph.poolRows(sequence, batch: batch, mask: mask), in: graph)
        return graph.add(mean, answers.reshaped([batch, tokens * width]))
    }
}
