import Foundation
import Learning
import Model
import Statistics
import Tensors
import Testing

@Suite struct OnlineLearnerTests {
    @Test(arguments: fusions.map(\.key))
    func everyFusionLearnsWhatOnlyTwoSensesTogetherTell(_ fusion: String) throws {
        let learner = try learner(fusion, seed: 1)
        let moments = TwoSenses.moments(160, seed: 2)
        for moment in moments { try learner.learn(moment) }
        let serving = MultimodalGraph.predicting(learner.model, parameters: learner.parameters, batch: 1, languageRows: 1)
        let test = TwoSenses.moments(50, seed: 3)
        let correct = test.count { moment in
            serving.set(moment, row: 0)
            serving.forward()
            return serving.prediction(row: 0).decided == moment.label
        }
        // Each sense alone distinguishes only two groups of the four classes.
        #expect(correct > 40, "\(fusion)")
    }

    @Test func sameSeedAndMomentsGiveTheSameParametersToTheBit() throws {
        let runs = try (0..<2).map { _ in
            let learner = try learner("attention", seed: 5)
            for moment in TwoSenses.moments(40, seed: 6) { try learner.learn(moment) }
            return Array(learner.parameters.values)
        }
        let other = try learner("attention", seed: 7)
        #expect(runs[0] == runs[1])
        #expect(runs[0] != Array(other.parameters.values))
    }

    @Test func aRestoredLearnerGoesOnExactly() throws {
        let moments = TwoSenses.moments(60, seed: 8)
        let whole = try learner("early", seed: 9)
        for moment in moments.prefix(30) { try whole.learn(moment) }
        let progress = try JSONEncoder().encode(whole.state.progress)
        let (parameters, tensors) = (whole.parameters.copy(), whole.state.tensors)
        for moment in moments.suffix(30) { try whole.learn(moment) }

        let resumed = try OnlineLearner(whole.model, whole.configuration, parameters: parameters, random: RandomSource(seed: 0))
        try resumed.restore(.init(progress: JSONDecoder().decode(OnlineLearner.State.Progress.self, from: progress), tensors: tensors))
        for moment in moments.suffix(30) { try resumed.learn(moment) }
        #expect(resumed.moments == 60)
        #expect(Array(resumed.parameters.values) == Array(whole.parameters.values))
    }

    @Test func aMomentTheModelCannotTakeChangesNothing() throws {
        let learner = try learner("early", seed: 1)
        let before = Array(learner.parameters.values)
        var bad = TwoSenses.moments(1, seed: 1)[0]
        bad.label = 4
        #expect(throws: MomentProblem.self) { try learner.learn(bad) }
        bad.label = 0
        bad.senses["image"]!.values[0] = .nan
        #expect(throws: MomentProblem.self) { try learner.learn(bad) }
        let nothing = try learner.learn(MomentInput())
        #expect(nothing == nil)
        #expect(Array(learner.parameters.values) == before)
        #expect(learner.moments == 0)
    }

    private func learner(_ fusion: String, seed: UInt64) throws -> OnlineLearner {
        var configuration = TwoSenses.configuration
        configuration.fusion = fusion
        var learning = OnlineLearner.Configuration()
        learning.replayed = 7
        learning.languageRows = 1
        learning.optimizerSettings = ["learning_rate": 0.003]
        return try OnlineLearner(MultimodalModel(configuration), learning, seed: seed)
    }
}

/// The image contains the class's first bit, the audio its second, the text nothing.
enum TwoSenses {
    static var configuration: MultimodalConfiguration {
        var configuration = MultimodalConfiguration()
        configuration.width = 16
        configuration.layers = 1
        configuration.heads = 2
        configuration.joint = 32
        configuration.classes = 4
        configuration.senses = [
            .init(name: "image", rows: 4, columns: 3, embedding: 5, hidden: 16),
            .init(name: "audio", rows: 6, columns: 2, embedding: 4, hidden: 16, jitter: 1),
        ]
        configuration.text.length = 4
        configuration.text.words = 4
        configuration.text.buckets = 16
        return configuration
    }

    static func moments(_ count: Int, seed: UInt64) -> [MomentInput] {
        var random = RandomSource(seed: seed)
        return (0..<count).map { _ in
            let label = random.uniform(below: 4)
            let numbers = { (count: Int, mean: Double, random: inout RandomSource) in
                (0..<count).map { _ in Float(mean + 0.5 * random.normal()) }
            }
            return MomentInput(
                text: Array("ab c".utf8).map(Int.init),
                senses: [
                    "image": SenseInput(rows: 4, columns: 3, values: numbers(12, label & 1 == 0 ? -0.5 : 0.5, &random)),
                    "audio": SenseInput(rows: 6, columns: 2, values: numbers(12, label & 2 == 0 ? -0.5 : 0.5, &random)),
                ], label: label, classes: 4)
        }
    }
}
