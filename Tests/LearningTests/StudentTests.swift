import Learning
import Model
import Statistics
import StrictJSON
import Tensors
import Testing

/// A model that learns beside a teacher.
@Suite struct StudentTests {
    private func learner(_ strategy: String, weight: Double? = nil) throws -> OnlineLearner {
        var configuration = OnlineLearner.Configuration()
        (configuration.strategy, configuration.replayed, configuration.modalityDropout) = (strategy, 3, 0)
        if let weight { configuration.strategySettings = .object(["taught_weight": .number(weight)]) }
        return try OnlineLearner(MultimodalModel(TwoSenses.configuration), configuration, seed: 5)
    }

    @Test func withoutATeacherAStudentReplays() throws {
        let student = try learner("student"), plain = try learner("er")
        for moment in TwoSenses.moments(20, seed: 2) {
            try student.learn(moment)
            try plain.learn(moment)
        }
        #expect(student.parameters.values.elementsEqual(plain.parameters.values))
    }

    /// The teacher thinks that everything is of class 3, and a strong term says so to the student.
    @Test func aStudentFollowsItsTeacherMoreThanTheLabels() throws {
        let student = try learner("student", weight: 20), target: [Float] = [-2, -1, -2, 5]
        var last: [Float] = []
        for moment in TwoSenses.moments(150, seed: 3) { last = try #require(try student.learn(moment, teacher: target)).logits }
        for (logit, wanted) in zip(last, target) { #expect(abs(logit - wanted) < 1) }
    }

    /// Replayed moments keep what the teacher said when they were new: a moment that is only replayed is still followed.
    @Test func whatTheTeacherSaidIsRemembered() throws {
        let moments = TwoSenses.moments(40, seed: 4), remembering = try learner("student", weight: 20),
            other = try learner("student", weight: 20)
        for moment in moments {
            try remembering.learn(moment, teacher: [4, -4, 0, 0])
            try other.learn(moment, teacher: [-4, 4, 0, 0])
        }
        for _ in 0..<50 { #expect(remembering.rehearse() && other.rehearse()) }
        let graph = { (learner: OnlineLearner) in
            let graph = MultimodalGraph.predicting(learner.model, parameters: learner.parameters, batch: 1, languageRows: 0)
            graph.set(moments[0], row: 0)
            graph.forward()
            return graph.prediction(row: 0).probabilities
        }
        #expect(graph(remembering)[0] > 0.9 && graph(other)[1] > 0.9)
    }

    @Test func aTeacherOfOtherClassesOrWithoutNumbersIsIgnored() throws {
        let student = try learner("student"), plain = try learner("er")
        for moment in TwoSenses.moments(10, seed: 6) {
            try student.learn(moment, teacher: [1, 2])
            try plain.learn(moment)
        }
        for moment in TwoSenses.moments(10, seed: 7) {
            try student.learn(moment, teacher: [.nan, 0, 0, 0])
            try plain.learn(moment)
        }
        #expect(student.parameters.values.elementsEqual(plain.parameters.values))
    }

    @Test func targetsOfServedProbabilitiesAreTheirLogits() {
        let logits: [Float] = [2, -1, 0.5, -1.5], sum = logits.reduce(0) { $0 + Float.exp($1) }
        for (target, logit) in zip(TaughtReplay.logits(of: logits.map { Float.exp($0) / sum }), logits) {
            #expect(abs(target - logit) < 1e-5)
        }
        #expect(TaughtReplay.logits(of: [1, 0]).allSatisfy { $0.isFinite } && TaughtReplay.logits(of: []).isEmpty)
    }
}
