import Foundation
import Model
import Statistics
import Tensors
import Testing
@testable import Learning

@Suite struct UpdateGateTests {
    private struct Run {
        let learner: OnlineLearner
        let gate: UpdateGate
        var verdicts: [GateVerdict] = []

        init(seed: UInt64) throws {
            var learning = OnlineLearner.Configuration()
            (learning.replayed, learning.languageRows, learning.memory) = (7, 0, 100)
            learning.optimizerSettings = ["learning_rate": 0.003]
            learner = try OnlineLearner(MultimodalModel(TwoSenses.configuration), learning, seed: seed)
            var settings = UpdateGate.Configuration()
            (settings.enabled, settings.anchors, settings.recent) = (true, 32, 32)
            gate = try UpdateGate(
                settings, learner.model, frozen: learner.parameters.copy(), serving: learner.parameters, random: RandomSource(seed: seed))
        }

        mutating func take(_ moments: [MomentInput]) throws {
            for (index, moment) in moments.enumerated() {
                gate.observe(moment, candidate: learner.servingParameters)
                try learner.learn(moment)
                if index % 8 == 7 { verdicts.append(gate.decide(learner.servingParameters)) }
            }
        }
    }

    @Test func aPublishedVersionThatDoesWorseGivesWayToTheOneBeforeIt() throws {
        var run = try Run(seed: 1)
        try run.take(TwoSenses.moments(160, seed: 2))
        let good = Array(run.gate.good.values)
        run.gate.probation = (0, 0, 0)
        let broken = ParameterStore<Float>(run.gate.serving.layout)  // says nothing of anything
        run.gate.serving.assign(from: broken)
        for moment in TwoSenses.moments(32, seed: 3) { run.gate.observe(moment, candidate: broken) }
        let verdict = run.gate.decide(broken)
        #expect(verdict.decision == .rolledBack, "\(verdict)")
        #expect(Array(run.gate.serving.values) == good)
    }

    @Test func weightsThatAreNoNumbersNeverPass() throws {
        let run = try Run(seed: 1)
        let broken = run.learner.parameters.copy()
        broken.values[7] = .nan
        #expect(run.gate.decide(broken).decision == .refused)
        #expect(run.gate.serving.values.allSatisfy { $0.isFinite })
    }

    @Test func aGateGoesOnExactlyFromItsState() throws {
        var whole = try Run(seed: 1)
        try whole.take(TwoSenses.moments(100, seed: 2))
        let (progress, tensors) = whole.gate.state
        let copy = try Run(seed: 7)
        let read = try JSONDecoder().decode(UpdateGate.State.self, from: JSONEncoder().encode(progress))
        #expect(copy.gate.restore(read, tensors))
        copy.gate.judges.frozen.parameters.assign(from: whole.gate.judges.frozen.parameters)  // the seed's own
        for moment in TwoSenses.moments(40, seed: 3) {
            whole.gate.observe(moment, candidate: whole.learner.parameters)
            copy.gate.observe(moment, candidate: whole.learner.parameters)
        }
        #expect(whole.gate.decide(whole.learner.parameters) == copy.gate.decide(whole.learner.parameters))
        #expect(!copy.gate.restore(read, [:]))
    }
}
