import Glibc
import Learning
import Model
import Statistics
import Tensors

/// A GPT-2 that learns online: it predicts a few tokens of a text with the current parameters, then takes a training step on the window
/// that ends with them and on earlier windows.
public final class TokenLearner {
    public enum Refusal: Error, Equatable, CustomStringConvertible {
        case outOfRange(token: Int, vocabularySize: Int)
        case notFinite(place: Int)

        public var description: String {
            switch self {
            case .outOfRange(let token, let size):
                "the text has the token \(token), but the model's vocabulary has \(size): the tokenizer does not belong to the model"
            case .notFinite(let place): "the loss is not finite at token \(place); a lower rate may help"
            }
        }
    }

    /// The maximum number of tokens of a call of `read`.
    public let fresh: Int

    private let window: Int
    private let vocabularySize: Int
    private let graph: Graph<Float>
    private let text: LanguageModel<Float>
    private let optimizer: Optimizer?
    private var tokens: [Int]
    private var generator: RandomSource

    /// - Parameters:
    ///   - model: the model.
    ///   - parameters: its parameters, which are changed by learning.
    ///   - start: a token put before the text, which is not counted; without it the first token is predicted with equal probabilities.
    ///   - configuration: the settings.
    ///   - learning: false for a frozen model.
    ///   - team: the threads that compute.
    public init(
        _ model: GPT2, parameters: ParameterStore<Float>, start: Int?, _ configuration: Configuration = Configuration(),
        learning: Bool = true, team: Team = .solo
    ) {
        window = min(configuration.window, model.configuration.positions)
        fresh = min(configuration.fresh, window)
        vocabularySize = model.configuration.vocabularySize
        graph = learning ? Graph(parameters: parameters, team: team) : .predicting(parameters: parameters, team: team)
        text = model.languageModel(batch: learning ? 1 + configuration.replays : 1, time: window, in: graph)
        let rule = AdaptiveRule(learningRate: configuration.rate / Double(model.configuration.width))
        optimizer = learning ? Optimizer(rule, parameters: parameters, gradients: graph.gradients, team: team) : nil
        tokens = start.map { [$0] } ?? []
        generator = RandomSource(seed: UInt64(configuration.seed))
    }

    /// Predicts the next tokens of the text, then learns them.
    /// - Parameter next: at most `fresh` tokens.
    /// - Returns: their code length in bits.
    /// - Throws: `Refusal`; after a token out of range the learner is unchanged.
    public func read(_ next: ArraySlice<Int>) throws(Refusal) -> Double {
        precondition(next.count <= fresh, "\(next.count) tokens at once, not \(fresh)")
        if let stray = next.first(where: { !(0..<vocabularySize).contains($0) }) {
            throw .outOfRange(token: stray, vocabularySize: vocabularySize)
        }
        // Without a start there is nothing from which the first token could be predicted.
        let unpredicted = tokens.isEmpty ? min(1, next.count) : 0
        let earlier = tokens.count
        tokens += next
        let newest = tokens.suffix(window + 1)
        guard newest.count > 1 else { return Double(unpredicted) * log2(Double(vocabularySize)) }

        text.set(newest, at: 0)
        for row in 1..<text.batch { text.set(replayed(before: earlier), at: row) }
        graph.forward()
        let bits = text.losses.values[0..<newest.count - 1].suffix(next.count - unpredicted).reduce(0) { $0 + Double($1) } / log(2)
        guard bits.isFinite else { throw .notFinite(place: earlier) }
        if let optimizer {
            graph.backward(from: text.loss)
            optimizer.step()
        }
        return bits + Double(unpredicted) * log2(Double(vocabularySize))
    }

    /// A random window of the text before `end`; empty if there is none.
    private func replayed(before end: Int) -> ArraySlice<Int> {
        guard end > 1 else { return [] }
        let start = generator.uniform(below: max(1, end - window))
        return tokens[start..<min(end, start + window + 1)]
    }
}
