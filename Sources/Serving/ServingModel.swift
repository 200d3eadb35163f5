import Model
import Statistics
import Tensors

/// A model that answers: recorded once for so many moments at a time, with parameters that are exchanged whole.
package final class ServingModel {
    /// A moment to answer, perhaps with some of its senses left out.
    package struct Question {
        package var input: MomentInput
        package var without: Set<String> = []
        /// Whether the likelihood of its words is computed, by a model that can.
        var scoresText = true

        package init(_ input: MomentInput, without: Set<String> = [], scoresText: Bool = true) {
            self.input = input
            self.without = without
            self.scoresText = scoresText
        }
    }

    package struct Answer {
        package var probabilities: [Float]
        package var label: Int
        package var weights: [String: Float]
        /// What each modality that is there would say alone.
        package var experts: [String: [Float]]
        /// Nats over all tokens of the text, given the senses.
        package var tokenNLL: Double
        package var tokens: Int

        /// Readings that are too large for a model leave nothing to be told.
        package var isFinite: Bool { probabilities.allSatisfy(\.isFinite) && weights.values.allSatisfy(\.isFinite) && tokenNLL.isFinite }
    }

    private let model: MultimodalModel
    private let graph: MultimodalGraph<Float>

    /// - Parameters:
    ///   - rows: moments answered at a time.
    ///   - language: whether words are judged too, or the class alone.
    /// - Throws: `ConfigurationProblem`.
    package init(_ configuration: MultimodalConfiguration, rows: Int, language: Bool) throws(ConfigurationProblem) {
        model = try MultimodalModel(configuration)
        let store = ParameterStore<Float>(model.layout)
        graph = .predicting(model, parameters: store, batch: rows, languageRows: language ? rows : 0)
    }

    package var parameters: ParameterStore<Float> { graph.parameters }
    package var layout: ParameterLayout { graph.parameters.layout }

    /// Puts on the parameters that a learner of this seed starts from.
    /// - Throws: what is wrong with the GPT-2 that the trunk starts from.
    package func initialize(seed: UInt64) throws {
        var random = RandomSource(seed: seed)
        parameters.assign(from: model.initialStore(using: &random))
        if !model.configuration.gpt2.isEmpty { try model.loadTrunk(from: model.configuration.gpt2, into: parameters) }
    }

    /// What the encoders made of every modality of the last question in a row: tokens · width numbers each, 0 where it is missing.
    package func representation(row: Int) -> [Float] { graph.representation(row: row) }

    /// - Parameter questions: as many as there are rows.
    package func predict(_ questions: [Question]) -> [Answer] {
        precondition(questions.count == graph.batch, "\(questions.count) questions for \(graph.batch) rows")
        for (row, question) in questions.enumerated() {
            graph.set(question.input, row: row, hiding: question.without, scoresText: question.scoresText)
        }
        graph.forward()
        return questions.indices.map { row in
            let prediction = graph.prediction(row: row)
            let probabilities = prediction.probabilities
            let likeliest = probabilities.indices.max { probabilities[$0] < probabilities[$1] } ?? 0
            return Answer(
                probabilities: probabilities, label: likeliest, weights: prediction.weights, experts: prediction.experts,
                tokenNLL: prediction.tokenNLL.reduce(0) { $0 + Double($1) }, tokens: prediction.tokenNLL.count)
        }
    }

    /// The answer to a moment, then those without each modality in turn, in one pass that computes nothing twice: without a modality
    /// that is absent the answer is the same, and words follow the senses alone, so their likelihood does not depend on whether the fusion
    /// has them.
    package func answers(to input: MomentInput, withoutEachOf modalities: [String]) -> [Answer] {
        let text = MultimodalConfiguration.textName
        let masked = modalities.map {
            input.has($0) ? Question(input, without: [$0], scoresText: $0 != text) : Question(MomentInput(), scoresText: false)
        }
        var answers = predict([Question(input)] + masked)
        for (index, modality) in modalities.enumerated() {
            if !input.has(modality) {
                answers[1 + index] = answers[0]
            } else if modality == text {
                (answers[1 + index].tokenNLL, answers[1 + index].tokens) = (answers[0].tokenNLL, answers[0].tokens)
            }
        }
        return answers
    }

    /// Where the fusion looked in the last prediction's row.
    package func attention(row: Int) -> [AttentionMap] { graph.attention(row: row) }

    package func attention(of input: MomentInput) -> [AttentionMap] {
        graph.set(input, row: 0)
        graph.forward()
        return graph.attention(row: 0)
    }

    /// What each modality gives to a decision; overwrites what was predicted last.
    package func explain(_ input: MomentInput, class decided: Int?, exhaustively: Bool) -> Explanation {
        graph.explain(input, class: decided, exhaustively: exhaustively)
    }
}
