import Foundation
import Layers
import Safetensors
import Tensors
import Tokenization

/// A pretrained text encoder of the BERT family in Hugging Face's layout, frozen: it has no gradients.
///
/// x = norm(word + position + type); in each layer x = norm(x + attention(x)), x = norm(x + narrow(gelu(widen(x)))). A text's
/// features are the mean of its tokens' last x, as in sentence transformers.
/// https://arxiv.org/abs/1810.04805, https://arxiv.org/abs/1908.10084
///
/// Its GELU is the exact one, x·Φ(x), computed between two recorded halves of every layer. It has one owner, as any graph.
public final class BERT {
    /// The model's shape.
    public let configuration: BERTConfiguration
    /// The tokenizer of `vocab.txt`.
    public let tokenizer: WordPiece
    /// The maximal number of tokens of a text; a longer text is truncated.
    public let length: Int
    private let words: Indices
    private let embedding: Segment
    private let layers: [(attention: Segment, narrowing: Segment)]

    /// Opens a Hugging Face directory.
    ///
    /// - Parameters:
    ///   - directory: contains `config.json`, `model.safetensors` and `vocab.txt`.
    ///   - length: the maximal number of tokens of a text.
    /// - Throws: `CheckpointError`, `SafetensorsError` or `TokenizationError`, if a file is missing or malformed.
    public init(directory: String, length: Int = 64) throws {
        let configuration = try BERTConfiguration(json: "\(directory)/config.json")
        let T = max(2, min(length, configuration.positions))
        tokenizer = try WordPiece(vocabulary: "\(directory)/vocab.txt")
        guard tokenizer.vocabularySize <= configuration.vocabularySize else {
            throw CheckpointError.configuration(
                file: "\(directory)/config.json", key: "vocab_size",
                "is \(configuration.vocabularySize), below the \(tokenizer.vocabularySize) lines of vocab.txt")
        }
        let store = try configuration.parameters(in: TensorArchive(directory: directory))
        (words, embedding) = Segment.embedding(configuration, T: T, store)
        layers = (0..<configuration.layers).map { (.attention($0, configuration, T: T, store), .narrowing($0, configuration, T: T, store)) }
        self.configuration = configuration
        self.length = T
    }

    /// A text's features: the mean of the last layer over its tokens, `width` numbers, scaled to length 1.
    public func features(of text: String) -> [Float] {
        let tokens = tokenizer.encode(text, limit: length), hidden = hidden(of: tokens), C = configuration.width
        let mean = (0..<C).map { c in (0..<tokens.count).reduce(Float(0)) { $0 + hidden[$1 * C + c] } / Float(tokens.count) }
        let norm = mean.reduce(0) { $0 + $1 * $1 }.squareRoot()
        return norm > 0 ? mean.map { $0 / norm } : mean
    }

    /// The output x of the last layer, (tokens, width).
    ///
    /// - Parameter tokens: token ids below the vocabulary's size, at most `length` of them.
    public func hidden(of tokens: [Int]) -> [Float] {
        precondition(
            tokens.count <= length && tokens.allSatisfy { (0..<configuration.vocabularySize).contains($0) },
            "\(tokens.count) tokens for \(length)")
        for place in 0..<length { words[place] = place < tokens.count ? tokens[place] : 0 }
        embedding.graph.forward()
        var x = embedding.output
        for (attention, narrowing) in layers {
            for place in 0..<length { attention.secondInput.values[place] = place < tokens.count ? 1 : 0 }
            attention.input.set(x.values)
            attention.graph.forward()
            for (place, value) in attention.output.values.enumerated() { narrowing.input.values[place] = Self.gelu(value) }
            narrowing.secondInput.set(attention.stream.values)
            narrowing.graph.forward()
            x = narrowing.output
        }
        return Array(x.values.prefix(tokens.count * configuration.width))
    }

    /// x · Φ(x), with the distribution function Φ of the standard normal distribution.
    private static func gelu(_ x: Float) -> Float { 0.5 * x * (1 + erf(x * Float(0.5).squareRoot())) }
}

/// A recorded part of the model between two exact GELUs.
private struct Segment {
    let graph: Graph<Float>
    /// (T, width), or (T, hidden).
    let input: Tensor<Float>
    /// A second input: the mask of present tokens, (1, T), or the residual stream that the input is added to, (T, width).
    let secondInput: Tensor<Float>
    let output: Tensor<Float>
    /// (T, width): the residual stream at the end.
    let stream: Tensor<Float>

    static func embedding(_ bert: BERTConfiguration, T: Int, _ store: ParameterStore<Float>) -> (Indices, Segment) {
        let graph = Graph.predicting(parameters: store)
        let words = graph.indices(T)
        func rows(_ name: String, _ places: Indices) -> Tensor<Float> {
            graph.gatherRows(of: graph.parameter("embeddings.\(name)_embeddings.weight"), places)
        }
        let sum = graph.add(
            graph.add(rows("word", words), rows("position", graph.indices(Array(0..<T)))), rows("token_type", graph.indices(T)))
        let x = norm(sum, "embeddings", bert, graph)
        return (words, Segment(graph: graph, input: x, secondInput: x, output: x, stream: x))
    }

    static func attention(_ layer: Int, _ bert: BERTConfiguration, T: Int, _ store: ParameterStore<Float>) -> Segment {
        let graph = Graph.predicting(parameters: store), name = "encoder.layer.\(layer)"
        let x = graph.input([T, bert.width]), mask = graph.input([1, T])
        let parts = ["query", "key", "value"].map { linear(x, "\(name).attention.self.\($0)", graph) }
        let read = graph.attend(graph.concatenateColumns(parts), heads: bert.heads, batch: 1, visibility: .all, keyMask: mask)
        let y = norm(graph.add(x, linear(read, "\(name).attention.output.dense", graph)), "\(name).attention.output", bert, graph)
        return Segment(graph: graph, input: x, secondInput: mask, output: linear(y, "\(name).intermediate.dense", graph), stream: y)
    }

    static func narrowing(_ layer: Int, _ bert: BERTConfiguration, T: Int, _ store: ParameterStore<Float>) -> Segment {
        let graph = Graph.predicting(parameters: store), name = "encoder.layer.\(layer).output"
        let wide = graph.input([T, bert.hidden]), x = graph.input([T, bert.width])
        let y = norm(graph.add(x, linear(wide, "\(name).dense", graph)), name, bert, graph)
        return Segment(graph: graph, input: wide, secondInput: x, output: y, stream: y)
    }

    private static func linear(_ x: Tensor<Float>, _ name: String, _ graph: Graph<Float>) -> Tensor<Float> {
        graph.linear(x, weight: graph.parameter("\(name).weight"), bias: graph.parameter("\(name).bias"), transposed: true)
    }

    private static func norm(_ x: Tensor<Float>, _ name: String, _ bert: BERTConfiguration, _ graph: Graph<Float>) -> Tensor<Float> {
        graph.normalizeRows(
            x, weight: graph.parameter("\(name).LayerNorm.weight"), bias: graph.parameter("\(name).LayerNorm.bias"), epsilon: bert.epsilon)
    }
}

extension BERTConfiguration {
    /// All parameters that are used, with Hugging Face's names; weights are (outputs, inputs), as in the file.
    var layout: ParameterLayout {
        func dense(_ name: String, _ inputs: Int, _ outputs: Int) -> [Parameter] {
            [Parameter("\(name).weight", [outputs, inputs]), Parameter("\(name).bias", [outputs])]
        }
        func norm(_ name: String) -> [Parameter] {
            [Parameter("\(name).LayerNorm.weight", [width]), Parameter("\(name).LayerNorm.bias", [width])]
        }
        var parameters = [("word", vocabularySize), ("position", positions), ("token_type", types)].map {
            Parameter("embeddings.\($0)_embeddings.weight", [$1, width])
        }
        parameters += norm("embeddings")
        for layer in 0..<layers {
            let name = "encoder.layer.\(layer)"
            for part in ["self.query", "self.key", "self.value", "output.dense"] {
                parameters += dense("\(name).attention.\(part)", width, width)
            }
            parameters += norm("\(name).attention.output")
            parameters += dense("\(name).intermediate.dense", width, hidden)
            parameters += dense("\(name).output.dense", hidden, width)
            parameters += norm("\(name).output")
        }
        return ParameterLayout(parameters)
    }

    /// Reads the parameters, named with the prefix `bert.` or without. Unused tensors, such as a pooler or heads, are ignored.
    /// - Throws: `SafetensorsError`, with the tensor that is missing, of another shape or not finite.
    func parameters(in archive: TensorArchive) throws(SafetensorsError) -> ParameterStore<Float> {
        let store = ParameterStore<Float>(layout)
        let prefix = archive.tensors.contains { $0.name.hasPrefix("bert.") } ? "bert." : ""
        for parameter in store.layout.parameters {
            try archive.tensor(prefix + parameter.name, shape: parameter.shape).copy(into: store[parameter.name])
        }
        return store
    }
}
