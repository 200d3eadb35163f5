import Foundation
import Model
import Statistics
import Tensors
import Testing
@testable import Learning

@Suite struct MomentStrategyTests {
    private static let combinations = momentStrategies.map(\.key) + ["der++, mir, ewc, lwf", "er,heads"]

    private func learner(_ strategy: String, seed: UInt64 = 3, averaging: Double = 0, optimizer: String = "adam") throws -> OnlineLearner {
        var learning = OnlineLearner.Configuration()
        (learning.strategy, learning.optimizer, learning.averaging) = (strategy, optimizer, averaging)
        learning.replayed = 3
        learning.memory = 20
        learning.languageRows = 1
        learning.consolidateEvery = 10
        learning.trialMoments = 20
        learning.optimizerSettings = ["learning_rate": 0.003]
        return try OnlineLearner(MultimodalModel(TwoSenses.configuration), learning, seed: seed)
    }

    /// As a checkpoint passes it on.
    private func resumed(_ learner: OnlineLearner) throws -> OnlineLearner {
        let progress = try JSONDecoder().decode(OnlineLearner.State.Progress.self, from: JSONEncoder().encode(learner.state.progress))
        let copy = try OnlineLearner(
            learner.model, learner.configuration, parameters: learner.parameters.copy(), random: RandomSource(seed: 0))
        try copy.restore(.init(progress: progress, tensors: learner.state.tensors))
        return copy
    }

    @Test(arguments: combinations)
    func everyCombinationGoesOnExactlyFromItsState(_ strategy: String) throws {
        let moments = TwoSenses.moments(50, seed: 4), whole = try learner(strategy, averaging: 0.9)
        for moment in moments.prefix(25) { try whole.learn(moment, source: "a") }
        let copy = try resumed(whole)
        for moment in moments.suffix(25) {
            let outcome = try whole.learn(moment, source: "b")
            #expect(try copy.learn(moment, source: "b") == outcome)
        }
        #expect(Array(whole.parameters.values) == Array(copy.parameters.values))
        #expect(Array(whole.servingParameters.values) == Array(copy.servingParameters.values))
        let start = try learner(strategy)
        #expect((Array(whole.parameters.values) == Array(start.parameters.values)) == (strategy == "never"))
    }

    @Test func aScopeLeavesTheRestAsItWas() throws {
        let learner = try learner("er, heads"), before = learner.parameters.copy()
        for moment in TwoSenses.moments(10, seed: 4) { try learner.learn(moment) }
        let names = before.layout.parameters.map(\.name)
        let changed = Set(names.filter { Array(before[$0]) != Array(learner.parameters[$0]) })
        let heads = names.filter { name in
            ["fusion.", "head.", "expert.", "ln_f"].contains { name.hasPrefix($0) } || name.contains(".norm.")
        }
        #expect(changed.isSubset(of: heads), "\(changed.subtracting(heads).sorted())")
        #expect(changed.isSuperset(of: ["head.class.weight", "head.class.bias", "ln_f.weight"]), "\(changed.sorted())")
        #expect(Set(names).isSuperset(of: ["wte.weight", "wpe.weight", "h.0.attn.c_attn.weight"]) && heads.count < names.count)
    }

    @Test func logitsAreHeldWhereTheyWere() throws {
        // Labels that say the opposite from the middle on: who matches old logits follows more slowly.
        func change(_ strategy: String) throws -> Double {
            var settings = OnlineLearner.Configuration()
            (settings.strategy, settings.replayed, settings.modalityDropout, settings.languageRows) = (strategy, 7, 0, 0)
            settings.strategySettings = strategy == "er" ? [:] : ["match_weight": 5]
            let learner = try OnlineLearner(MultimodalModel(TwoSenses.configuration), settings, seed: 3)
            let moments = TwoSenses.moments(80, seed: 5)
            for moment in moments { try learner.learn(moment) }
            let judge = MomentJudge(learner.model, parameters: learner.parameters, rows: 1), before = moments.map { judge.logits(of: $0) }
            for var moment in TwoSenses.moments(40, seed: 6) {
                moment.label = 3 - (moment.label ?? 0)
                try learner.learn(moment)
            }
            var sum = 0.0
            for (moment, old) in zip(moments, before) {
                for (now, then) in zip(judge.logits(of: moment), old) { sum += Double((now - then) * (now - then)) }
            }
            return sum
        }
        let held = try change("der++"), free = try change("er")
        #expect(held < free)
    }

    @Test func theMostHarmedAreRecalled() throws {
        let learner = try learner("mir"), moments = TwoSenses.moments(20, seed: 4)
        for moment in moments { try learner.learn(moment) }
        let search = try #require(learner.interference)
        let candidates = learner.memory.draw(12)
        // A gradient that pushes class 0 down harms moments of class 0 alone.
        let gradients = ParameterStore<Float>(learner.parameters.layout)
        gradients["head.class.bias"][0] = 100
        let zeros = candidates.count { $0.item.moment.label == 0 }
        try #require(zeros > 0 && zeros < 12)
        let harmed = search.mostHarmed(zeros, of: candidates, moment: { $0.moment }, by: gradients, rate: 0.05)
        #expect(harmed.map(\.item.moment.label) == Array(repeating: 0, count: zeros))
    }

    @Test func anotherOptimizerGoesOnWithTheMomentsThatBothKeep() throws {
        let learner = try learner("er")
        for moment in TwoSenses.moments(10, seed: 4) { try learner.learn(moment) }
        let first = Array(learner.optimizer.moments[0].values)
        try learner.switchOptimizer(to: "lamb", settings: ["learning_rate": 0.001])
        #expect(Array(learner.optimizer.moments[0].values) == first && learner.optimizer.steps == 10)
        try learner.switchOptimizer(to: "momentum", settings: ["learning_rate": 0.001])
        #expect(learner.optimizer.steps == 0 && learner.optimizer.moments[0].values.allSatisfy { $0 == 0 })
        try learner.switchStrategy(to: "der++, ewc")
        #expect(learner.method.optimizer == "momentum" && learner.strategy.matchWeight > 0 && learner.memorySlots.count == 10)
        #expect(throws: SettingsError.self) { try learner.switchOptimizer(to: "newton") }
        #expect(throws: SettingsError.self) { try learner.switchStrategy(to: "der++, hope") }
        #expect(learner.method.optimizer == "momentum")
    }

    @Test func aSwitchThatMakesThingsWorseIsTakenBackAndSaysSo() throws {
        let learner = try learner("er"), moments = TwoSenses.moments(120, seed: 4)
        for moment in moments.prefix(60) { try learner.learn(moment) }
        let before = Array(learner.parameters.values), state = learner.optimizer.state
        try learner.switchOptimizer(to: "sgd", settings: ["learning_rate": 50])
        var said: String?
        for moment in moments.suffix(60).prefix(20) where said == nil {
            said = try learner.learn(moment)?.reverted
            if learner.moments == 62 {  // a trial is part of the state
                let copy = try resumed(learner)
                #expect(copy.trial?.moments == learner.trial?.moments && copy.method.optimizer == "sgd")
            }
        }
        #expect(said?.hasPrefix("sgd with er taken back") == true, "\(said ?? "nothing was said")")
        #expect(learner.method.optimizer == "adam" && learner.optimizer.state == state)
        #expect(Array(learner.parameters.values) == before)
    }

    @Test func aSourceIsForgotten() throws {
        let learner = try learner("er")
        for (index, moment) in TwoSenses.moments(12, seed: 4).enumerated() {
            try learner.learn(moment, source: index < 5 ? "kitchen" : "hall")
        }
        let bytes = learner.memoryBytes
        #expect(learner.forget(source: "kitchen") == 5 && learner.memorySlots.map(\.source) == Array(repeating: "hall", count: 7))
        #expect(learner.memoryBytes < bytes)
    }
}
