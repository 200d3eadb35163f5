import Foundation
import Tensors

/// The perplexity of a language model on a text, over overlapping windows: each starts `stride` tokens after the last, or earlier if
/// it would begin with a token that is not scored yet, and scores the tokens that the last did not reach. So every token but the
/// first is scored once, given the tokens before it in its window.  https://huggingface.co/docs/transformers/perplexity
public struct Perplexity: Sendable {
    /// The number of scored tokens: all but the first.
    public let tokens: Int
    /// The mean negative log-likelihood of a token, in nats.
    public let nll: Double
    /// `nll` in bits, times the text's tokens, over its bytes.
    public let bitsPerByte: Double
    /// e^`nll`
    public var perplexity: Double { exp(nll) }

    /// Why a perplexity cannot be computed.
    public enum Refusal: Error, CustomStringConvertible {
        case tooShort(tokens: Int)
        case outOfRange(token: Int, vocabularySize: Int)
        case notFinite(token: Int)

        public var description: String {
            switch self {
            case .tooShort(let tokens): "a text of \(tokens) tokens has no token to predict; at least 2 are needed"
            case .outOfRange(let token, let size):
                "the text has the token \(token), but the model's vocabulary has \(size): this tokenizer is not the model's"
            case .notFinite(let token): "the loss is not finite in the window at token \(token)"
            }
        }
    }

    /// Computes the perplexity of a text.
    ///
    /// - Parameters:
    ///   - tokens: the text's token ids.
    ///   - bytes: the text's length in bytes.
    ///   - model: the language model.
    ///   - parameters: its parameters.
    ///   - window: the tokens of a window, at most the model's positions, which are the default.
    ///   - stride: tokens from the start of a window to the next, from 1 to the window's length.
    ///   - team: the threads that compute.
    /// - Throws: `Refusal`.
    public init(
        of tokens: [Int], bytes: Int, model: any Trunk, parameters: ParameterStore<Float>,
        window: Int? = nil, stride: Int, team: Team = .solo
    ) throws(Refusal) {
        let (positions, size) = (min(window ?? model.positions, model.positions), model.vocabularySize)
        precondition((1...positions).contains(stride), "a stride of \(stride) over \(positions) positions")
        guard tokens.count > 1 else { throw .tooShort(tokens: tokens.count) }
        if let stray = tokens.first(where: { !(0..<size).contains($0) }) { throw .outOfRange(token: stray, vocabularySize: size) }
        let graph = Graph<Float>.predicting(parameters: parameters, team: team)
        let text = model.languageModel(batch: 1, time: min(positions, tokens.count), in: graph)
        var sum = 0.0, next = 0, end = 1
        while end < tokens.count {
            let start = min(next, end - 1)
            // A model of one position reads one token and predicts the next.
            let newEnd = min(start + max(positions, 2), tokens.count)
            text.set(tokens[start..<newEnd], at: 0)
            graph.forward()
            sum += text.losses.values[(end - 1 - start)..<(newEnd - 1 - start)].reduce(0) { $0 + Double($1) }
            guard sum.isFinite else { throw .notFinite(token: start) }
            end = newEnd
            next += stride
        }
        self.tokens = tokens.count - 1
        nll = sum / Double(tokens.count - 1)
        bitsPerByte = nll / log(2) * Double(tokens.count) / Double(bytes)
    }
}
