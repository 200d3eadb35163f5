import Foundation
import Model
import Statistics
import Tensors
import Testing
@testable import Learning

/// A switch of optimiser or strategy is evaluated by the loss of labels, even if few moments have one.
@Suite struct SwitchTrialTests {
    private func learner() throws -> OnlineLearner {
        var learning = OnlineLearner.Configuration()
        (learning.replayed, learning.memory, learning.languageRows, learning.trialMoments) = (3, 20, 1, 20)
        learning.optimizerSettings = ["learning_rate": 0.003]
        return try OnlineLearner(MultimodalModel(TwoSenses.configuration), learning, seed: 3)
    }

    /// One label in so many moments; the others have words only.
    private func moments(_ count: Int, labelEvery: Int, seed: UInt64) -> [MomentInput] {
        TwoSenses.moments(count, seed: seed).enumerated().map { index, moment in
            var moment = moment
            if index % labelEvery != 0 { moment.label = nil }
            return moment
        }
    }

    /// - Returns: the reason for which the switch was reverted, if it was.
    private func reverted(_ learner: OnlineLearner, _ moments: [MomentInput]) throws -> String? {
        var said: String?
        for moment in moments { said = try learner.learn(moment)?.reverted ?? said }
        return said
    }

    @Test(arguments: [1, 5, 30]) func aSwitchToWhatIsAsGoodStays(labelEvery: Int) throws {
        let learner = try learner()
        for moment in moments(150, labelEvery: labelEvery, seed: 4) { try learner.learn(moment) }
        try learner.switchOptimizer(to: "adamw", settings: ["learning_rate": 0.003])
        #expect(try reverted(learner, moments(300, labelEvery: labelEvery, seed: 5)) == nil)
        #expect(learner.method.optimizer == "adamw" && learner.trial == nil)
    }

    @Test(arguments: [1, 5, 12]) func aSwitchToWhatIsWorseIsTakenBack(labelEvery: Int) throws {
        let learner = try learner()
        for moment in moments(150, labelEvery: labelEvery, seed: 4) { try learner.learn(moment) }
        let before = Array(learner.parameters.values)
        try learner.switchOptimizer(to: "adam", settings: ["learning_rate": 3])
        var said: String?
        for moment in moments(200, labelEvery: labelEvery, seed: 5) where said == nil { said = try learner.learn(moment)?.reverted }
        #expect(said != nil && learner.method.optimizerSettings == ["learning_rate": 0.003] && Array(learner.parameters.values) == before)
    }

    @Test func whereNoLabelCameBeforeNothingIsComparedAndTheTrialEnds() throws {
        let learner = try learner()
        for moment in moments(40, labelEvery: 1000, seed: 4).dropFirst() { try learner.learn(moment) }
        try learner.switchOptimizer(to: "adamw", settings: ["learning_rate": 0.003])
        #expect(learner.trial != nil && learner.trial?.baseline == nil)
        #expect(try reverted(learner, moments(100, labelEvery: 2, seed: 5)) == nil)
        #expect(learner.trial == nil && learner.method.optimizer == "adamw")
    }

    @Test func theMeasureOfASwitchIsTheMeanLossOfLabels() throws {
        let learner = try learner()
        var losses: [Double] = []
        for moment in moments(90, labelEvery: 10, seed: 4) {
            if let loss = try learner.learn(moment)?.newLoss { losses.append(loss) }
        }
        #expect(losses.count == 9 && abs(learner.recentLoss - losses.reduce(0, +) / 9) < 1e-9)
    }
}
