import Statistics
import Model
import Tensors

/// Scores labelled moments with given parameters, forward only.
public final class MomentScorer {
    /// The score of one moment.
    public struct Score: Codable, Sendable, Equatable {
        /// The cross entropy of the label, in nats.
        public var loss: Double
        /// Whether the label is the most likely class.
        public var isRight: Bool
    }

    private let graph: MultimodalGraph<Float>

    /// - Parameters:
    ///   - model: the model.
    ///   - parameters: its parameters, read at every call and never changed.
    ///   - rows: moments of one forward pass.
    ///   - language: whether the likelihood of texts is computed too.
    ///   - team: the threads that compute.
    public init(_ model: MultimodalModel, parameters: ParameterStore<Float>, rows: Int, language: Bool = false, team: Team = .solo) {
        graph = .predicting(model, parameters: parameters, batch: rows, languageRows: language ? rows : 0, team: team)
    }

    /// The parameters that it evaluates; the owner may replace their values between calls.
    public var parameters: ParameterStore<Float> { graph.parameters }

    /// Whether the model can process a moment.
    func accepts(_ moment: MomentInput) -> Bool { (try? graph.model.configuration.check(moment)) != nil }

    /// The score of each moment, in order; nil for a moment without a label.
    public func score(_ moments: some Collection<MomentInput>) -> [Score?] {
        answers(to: moments) { row, moment in
            guard let label = moment.label else { return nil }
            let p = graph.prediction(row: row).probabilities
            return Score(loss: graph.classificationLoss(row: row), isRight: p.argmax == label)
        }
    }

    /// The score of one moment; nil without a label.
    public func score(_ moment: MomentInput) -> Score? { score(CollectionOfOne(moment))[0] }

    /// The mean negative log-likelihood of each moment's text, or of its right answer if it has one, in nats per token; nil without either,
    /// or if the scorer has no language.
    public func textLosses(of moments: some Collection<MomentInput>) -> [Double?] {
        answers(to: moments) { row, _ in
            let losses = graph.languageLosses(row: row)
            return losses.isEmpty ? nil : losses.reduce(0, +) / Double(losses.count)
        }
    }

    func logits(of moment: MomentInput) -> [Float] { logits(of: [moment])[0] }

    private func answers<Answer>(to moments: some Collection<MomentInput>, _ answer: (Int, MomentInput) -> Answer) -> [Answer] {
        var answers: [Answer] = []
        var rest = moments[...]
        while !rest.isEmpty {
            let part = rest.prefix(graph.batch)
            for (row, moment) in part.enumerated() { graph.set(moment, row: row) }
            for row in part.count..<graph.batch { graph.clear(row: row) }
            graph.forward()
            for (row, moment) in part.enumerated() { answers.append(answer(row, moment)) }
            rest = rest.dropFirst(part.count)
        }
        return answers
    }
}

extension MomentScorer: InputReader {
    func logits(of moments: [MomentInput]) -> [[Float]] {
        answers(to: moments) { row, _ in
            let classes = graph.logits.columns
            return Array(graph.logits.values[row * classes..<(row + 1) * classes])
        }
    }

    func losses(of moments: [MomentInput]) -> [Double?] { score(moments).map { $0?.loss } }
}
