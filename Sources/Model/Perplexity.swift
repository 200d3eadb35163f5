import Foundation
import Tensors

/// How well a GPT-2 predicts a text, over windows that overlap, as Hugging Face's guide computes it: each window starts
/// `stride` tokens after the last and scores what the last did not reach; the window's mean counts once for every
/// token that is new in it, less one.  https://huggingface.co/docs/transformers/perplexity
public struct Perplexity: Sendable {
    /// Tokens that count.
    public let tokens: Int
    /// The mean negative log-likelihood of a token, in nats.
    public let nll: Double
    /// `nll` in bits, times the text's tokens, over its bytes.
    public let bitsPerByte: Double
    public var perplexity: Double { exp(nll) }

    public enum Refusal: Error, CustomStringConvertible {
        case tooShort(tokens: Int)
        case outOfRange(token: Int, vocabularySize: Int)
        case notFinite(token: Int)

        public var description: String {
            switch self {
            case .tooShort(let tokens): "a text of \(tokens) tokens has nothing to predict; it takes two"
            case .outOfRange(let token, let size): "the text has the token \(token), but the model's vocabulary has \(size): this tokenizer is not the model's"
            case .notFinite(let token): "the loss is not finite in the window at token \(token)"
            }
        }
    }

    /// - Parameters:
    ///   - bytes: the length of the text that `tokens` are.
    ///   - stride: between 1 and the model's positions.
    public init(
        of tokens: [Int], bytes: Int, model: GPT2, parameters: ParameterStore<Float>, stride: Int, team: Team = .solo
    ) throws(Refusal) {
        let (positions, size) = (model.configuration.positions, model.configuration.vocabularySize)
        precondition((1...positions).contains(stride), "a stride of \(stride) over \(positions) positions")
        guard tokens.count > 1 else { throw .tooShort(tokens: tokens.count) }
        if let stray = tokens.first(where: { !(0..<size).contains($0) }) { throw .outOfRange(token: stray, vocabularySize: size) }
        let graph = Graph<Float>.predicting(parameters: parameters, team: team)
        let text = model.languageModel(batch: 1, time: min(positions, tokens.count), in: graph)
        var sum = 0.0, counted = 0, end = 0
        for start in Swift.stride(from: 0, to: tokens.count, by: stride) {
            let newEnd = min(start + positions, tokens.count), fresh = newEnd - end
            text.set(tokens[start..<newEnd], at: 0)
            // A window's first token has nothing before it.
            let first = max(end - start, 1)
            for place in 0..<first - 1 { text.targets[place] = -100 }
            graph.forward()
            let loss = text.losses.values[(first - 1)..<(newEnd - start - 1)].reduce(0.0) { $0 + Double($1) } / Double(newEnd - start - first)
            guard loss.isFinite || fresh <= 1 else { throw .notFinite(token: start) }
            if fresh > 1 {
                sum += loss * Double(fresh - 1)
                counted += fresh - 1
            }
            end = newEnd
            if end == tokens.count { break }
        }
        self.tokens = counted
        nll = sum / Double(counted)
        bitsPerByte = nll / log(2) * Double(tokens.count) / Double(bytes)
    }
}
