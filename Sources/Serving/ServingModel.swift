import Model
import Statistics
import Tensors

/// A model for prediction: its graph is recorded once for a fixed number of rows, and its parameters are replaced as a whole.
package final class ServingModel {
    /// A moment to predict on, with the senses to leave out.
    package struct Question {
        /// The moment's senses and text.
        package var input: MomentInput
        /// Modalities to leave out.
        package var without: Set<String> = []
        /// Whether the likelihood of its text is computed, by a model that can.
        var scoresText = true

        package init(_ input: MomentInput, without: Set<String> = [], scoresText: Bool = true) {
            self.input = input
            self.without = without
            self.scoresText = scoresText
        }
    }

    /// The prediction for one moment.
    package struct Answer {
        /// One for each class.
        package var probabilities: [Float]
        /// The most probable class.
        package var label: Int
        /// By modality, the weight of its expert in the combination.
        package var weights: [String: Float]
        /// By modality that is present, the class probabilities of its expert alone.
        package var experts: [String: [Float]]
        /// Negative log-likelihood in nats, summed over all tokens of the text, given the senses.
        package var tokenNLL: Double
        /// The number of tokens that `tokenNLL` is summed over.
        package var tokens: Int

        /// False where readings were too large for the model.
        package var isFinite: Bool { probabilities.allSatisfy(\.isFinite) && weights.values.allSatisfy(\.isFinite) && tokenNLL.isFinite }
    }

    private let model: MultimodalModel
    private let graph: MultimodalGraph<Float>
    /// Recorded when parts are first explained.
    private var explainer: PartsExplainer<Float>?

    /// - Parameters:
    ///   - rows: moments predicted at a time.
    ///   - languageRows: the rows, from the first, in which the text's likelihood is computed too, not the class alone.
    /// - Throws: `SettingsError`.
    package init(_ configuration: MultimodalConfiguration, rows: Int, languageRows: Int) throws(SettingsError) {
        model = try MultimodalModel(configuration)
        let store = ParameterStore<Float>(model.layout)
        graph = .predicting(model, parameters: store, batch: rows, languageRows: languageRows)
    }

    /// The store that predictions are computed with.
    package var parameters: ParameterStore<Float> { graph.parameters }
    package var layout: ParameterLayout { graph.parameters.layout }

    /// Sets the parameters to those that a learner of this seed starts from.
    /// - Throws: the error of reading the model that the trunk starts from.
    package func initialize(seed: UInt64) throws {
        var random = RandomSource(seed: seed)
        parameters.assign(from: model.initialStore(using: &random))
        try model.loadTrunk(into: parameters)
    }

    /// The encoders' outputs for every modality of the last question in a row: tokens · width numbers each, 0 where it is missing.
    package func representation(row: Int) -> [Float] { graph.representation(row: row) }

    /// Predicts on all rows in one forward pass.
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
            let likeliest = probabilities.argmax ?? 0
            return Answer(
                probabilities: probabilities, label: likeliest, weights: prediction.weights, experts: prediction.experts,
                tokenNLL: prediction.tokenNLL.reduce(0) { $0 + Double($1) }, tokens: prediction.tokenNLL.count)
        }
    }

    /// The prediction for a moment, then those without each modality in turn, in one pass that computes nothing twice: without a modality
    /// that is absent the prediction is the same, and the text's likelihood depends on the senses alone, not on whether the fusion has the
    /// text. Rows without language have no likelihood of the text.
    package func answers(to input: MomentInput, withoutEachOf modalities: [String]) -> [Answer] {
        let text = MultimodalConfiguration.textName
        let masked = modalities.map {
            input.has($0) ? Question(input, without: [$0], scoresText: $0 != text) : Question(MomentInput(), scoresText: false)
        }
        var answers = predict([Question(input)] + masked)
        for (index, modality) in modalities.enumerated() {
            if !input.has(modality) {
                answers[1 + index] = answers[0]
                if graph.languageRows == 1 { (answers[1 + index].tokenNLL, answers[1 + index].tokens) = (0, 0) }
            } else if modality == text, graph.languageRows > 1 {
                (answers[1 + index].tokenNLL, answers[1 + index].tokens) = (answers[0].tokenNLL, answers[0].tokens)
            }
        }
        return answers
    }

    /// The fusion's attention maps of a row of the last prediction.
    package func attention(row: Int) -> [AttentionMap] { graph.attention(row: row) }

    /// The fusion's attention maps for a moment; overwrites row 0 of the last prediction.
    package func attention(of input: MomentInput) -> [AttentionMap] {
        graph.set(input, row: 0)
        graph.forward()
        return graph.attention(row: 0)
    }

    /// The contribution of each modality to a class; overwrites the last prediction.
    /// - Parameters:
    ///   - decided: the class to explain; nil: the predicted one.
    ///   - exhaustively: whether Shapley values are computed too.
    package func explain(_ input: MomentInput, class decided: Int?, exhaustively: Bool) -> Explanation {
        graph.explain(input, class: decided, exhaustively: exhaustively)
    }

    /// The contribution of each part of a moment to a class: the exact loss of ln p without it.
    /// - Returns: nil for a moment of more than `PartsExplanation.most` parts.
    package func explainParts(_ input: MomentInput, class decided: Int) -> PartsExplanation? {
        let explainer = explainer ?? PartsExplainer(model, parameters: parameters)
        self.explainer = explainer
        guard explainer.parts(of: input).count <= PartsExplanation.most else { return nil }
        return explainer.explain(input, class: decided, by: .occlusion)
    }
}
