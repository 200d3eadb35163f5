import Learning
import Model
import Statistics
import Testing

/// Image and audio show the same digit, except in a conflict.
@Suite struct ConflictTests {
    private static let classes = 10

    private var configuration: MultimodalConfiguration {
        var configuration = MultimodalConfiguration()
        configuration.width = 16
        configuration.heads = 2
        configuration.layers = 1
        configuration.joint = 32
        configuration.classes = Self.classes
        configuration.senses = [
            .init(name: "image", rows: 2, columns: 5, embedding: 8, hidden: 24),
            .init(name: "audio", rows: 2, columns: 5, embedding: 8, hidden: 24),
        ]
        configuration.text.length = 4
        configuration.text.buckets = 8
        return configuration
    }

    /// A sense that shows a digit, with noise.
    private func shows(_ digit: Int, _ random: inout RandomSource) -> SenseInput {
        let values = (0..<Self.classes).map { Float(random.normal()) * 0.3 + ($0 == digit ? 2 : 0) }
        return SenseInput(rows: 2, columns: 5, values: values)
    }

    @Test(arguments: fusions.map(\.key))
    func aConflictIsExplainedByWhatEachSenseGave(_ fusion: String) throws {
        var configuration = configuration
        configuration.fusion = fusion
        var settings = OnlineLearner.Configuration()
        settings.languageRows = 0
        let learner = try OnlineLearner(MultimodalModel(configuration), settings, seed: 3)
        var random = RandomSource(seed: 17)
        for _ in 0..<400 {
            let digit = random.uniform(below: Self.classes)
            try learner.learn(
                MomentInput(senses: ["image": shows(digit, &random), "audio": shows(digit, &random)], label: digit, classes: Self.classes))
        }
        let serving = MultimodalGraph.predicting(learner.model, parameters: learner.parameters, batch: 4, languageRows: 0)
        let conflict = MomentInput(senses: ["image": shows(3, &random), "audio": shows(8, &random)])
        let three = serving.explain(conflict, class: 3), eight = serving.explain(conflict, class: 8)
        func likeliest(_ opinion: [Float]?) -> Int? { opinion.flatMap { opinion in opinion.indices.max { opinion[$0] < opinion[$1] } } }
        #expect(likeliest(three.prediction.experts["image"]) == 3 && likeliest(three.prediction.experts["audio"]) == 8)
        for (explanation, speaker, opponent) in [(three, "image", "audio"), (eight, "audio", "image")] {
            // Co-attention is not a sum: the other sense may contribute too, but never as much as the one that shows the decided digit.
            #expect(explanation.marginal[speaker]! > max(0, explanation.marginal[opponent]!), "\(fusion): \(explanation.marginal)")
            #expect(explanation.shapley![speaker]! > max(0, explanation.shapley![opponent]!), "\(fusion): \(explanation.shapley!)")
            #expect(explanation.marginal[speaker]! > 1, "one sense alone says the other digit: \(fusion)")
        }
        #expect(three.prediction.weights["image"]! > 0.05 && three.prediction.weights["audio"]! > 0.05)
        #expect(three.prediction.weights["text"] == 0)
    }
}
