import Foundation
import Model
import Statistics
import StrictJSON
import Tensors
import Testing
@testable import Learning

@Suite struct StrategyMixTests {
    private static let combinations = strategies.map(\.key) + ["der++, mir, ewc, lwf", "er,heads", "der-ace, ewc"]

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

    /// Its state after a round trip through a checkpoint's format.
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

    /// FedProx: from the weights that were agreed on, a step differs from a plain one by rate · μ · (w − agreed).
    @Test func weightsAreHeldNearThoseThatWereAgreedOn() throws {
        let moment = TwoSenses.moments(1, seed: 4)[0], strength: Float = 0.25, rate: Float = 0.01
        func learner(_ strategy: String) throws -> OnlineLearner {
            var learning = OnlineLearner.Configuration()
            (learning.strategy, learning.optimizer, learning.replayed, learning.modalityDropout) = (strategy, "sgd", 1, 0)
            learning.optimizerSettings = ["learning_rate": .number(Double(rate)), "clip_norm": 1e6]
            if strategy == "proximal" { learning.strategySettings = ["proximal_strength": .number(Double(strength))] }
            return try OnlineLearner(MultimodalModel(TwoSenses.configuration), learning, seed: 3)
        }
        let (held, plain) = (try learner("proximal"), try learner("always"))
        let agreed = plain.parameters.copy(), moved = plain.parameters.copy()
        for place in moved.values.indices { moved.values[place] += place % 2 == 0 ? 0.01 : -0.02 }
        held.parameters.assign(from: moved)
        plain.parameters.assign(from: moved)
        try held.learn(moment)
        try plain.learn(moment)
        #expect(held.parameters.values.elementsEqual(plain.parameters.values), "nothing has been agreed on yet")
        held.adopt(agreed)
        held.parameters.assign(from: moved)
        plain.parameters.assign(from: moved)
        try held.learn(moment)
        try plain.learn(moment)
        var count = 0
        for place in agreed.values.indices where plain.parameters.values[place] != moved.values[place] {
            let wanted = plain.parameters.values[place] - rate * strength * (moved.values[place] - agreed.values[place])
            #expect(abs(held.parameters.values[place] - wanted) < 2e-7)
            count += 1
        }
        #expect(count > 100)
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
        // Labels are inverted from the middle on: a learner that matches old logits follows more slowly.
        func change(_ strategy: String) throws -> Double {
            var settings = OnlineLearner.Configuration()
            (settings.strategy, settings.replayed, settings.modalityDropout, settings.languageRows) = (strategy, 7, 0, 0)
            settings.strategySettings = strategy == "er" ? [:] : ["match_weight": 5]
            let learner = try OnlineLearner(MultimodalModel(TwoSenses.configuration), settings, seed: 3)
            let moments = TwoSenses.moments(80, seed: 5)
            for moment in moments { try learner.learn(moment) }
            let scorer = MomentScorer(learner.model, parameters: learner.parameters, rows: 1)
            let before = moments.map { scorer.logits(of: $0) }
            for var moment in TwoSenses.moments(40, seed: 6) {
                moment.label = 3 - (moment.label ?? 0)
                try learner.learn(moment)
            }
            var sum = 0.0
            for (moment, old) in zip(moments, before) {
                for (now, then) in zip(scorer.logits(of: moment), old) { sum += Double((now - then) * (now - then)) }
            }
            return sum
        }
        let held = try change("der++"), free = try change("er")
        #expect(held < free)
    }

    @Test func theMostHarmedAreRecalled() throws {
        let learner = try learner("mir"), moments = TwoSenses.moments(12, seed: 4)
        // A gradient that lowers the logit of class 0 increases the loss of moments of class 0 only.
        let gradients = ParameterStore<Float>(learner.parameters.layout)
        gradients["head.class.bias"][0] = 100
        let zeros = moments.count { $0.label == 0 }
        try #require(zeros > 0 && zeros < 12)
        let other = ParameterStore<Float>(learner.parameters.layout)
        func reader(_ parameters: ParameterStore<Float>) -> Fixed {
            Fixed(MomentScorer(learner.model, parameters: parameters, rows: 5), moments)
        }
        let search = InterferenceSearch(now: reader(learner.parameters), after: reader(other), rate: 0.05)
        let harmed = search.choose(zeros, by: gradients)
        #expect(harmed.map { moments[$0].label } == Array(repeating: 0, count: zeros) && Set(harmed).count == zeros)
    }

    private final class Fixed: RowReader {
        let scorer: MomentScorer, moments: [MomentInput]

        init(_ scorer: MomentScorer, _ moments: [MomentInput]) { (self.scorer, self.moments) = (scorer, moments) }

        var parameters: ParameterStore<Float> { scorer.parameters }
        var logits: [[Float]] { scorer.logits(of: moments) }
        var losses: [Double?] { scorer.losses(of: moments) }
    }

    /// The cross entropy of new rows is over recent classes only: the logits of the others are not reduced.
    @Test func classesThatDidNotComeLatelyAreNotPushedDown() throws {
        func moved(_ strategy: String, _ settings: JSON = [:]) throws -> [Bool] {
            var learning = OnlineLearner.Configuration()
            (learning.strategy, learning.strategySettings, learning.replayed) = (strategy, settings, 0)
            (learning.optimizer, learning.optimizerSettings) = ("sgd", ["learning_rate": 0.1])
            let learner = try OnlineLearner(MultimodalModel(TwoSenses.configuration), learning, seed: 3)
            let before = Array(learner.parameters["head.class.bias"])
            for moment in TwoSenses.moments(40, seed: 4) where moment.label ?? 0 < 2 { try learner.learn(moment) }
            return zip(before, learner.parameters["head.class.bias"]).map { abs($0 - $1) > 1e-5 }
        }
        #expect(try moved("er-ace") == [true, true, false, false])
        #expect(try moved("er-ace", ["window": 1]) == [false, false, false, false], "a class alone has nothing to compete with")
        #expect(try moved("er") == [true, true, true, true])
    }

    @Test func aLossThatIsToldHidesNoClass() throws {
        let asymmetric = try learner("er-ace"), plain = try learner("er")
        for moment in TwoSenses.moments(3, seed: 4).prefix(1) {
            #expect(try asymmetric.learn(moment)?.newLoss == plain.learn(moment)?.newLoss)
        }
    }

    private func parameters(_ strategy: String, _ settings: JSON = [:]) throws -> [Float] {
        var learning = OnlineLearner.Configuration()
        (learning.strategy, learning.strategySettings, learning.replayed, learning.memory) = (strategy, settings, 3, 20)
        (learning.languageRows, learning.consolidateEvery) = (1, 10)
        let learner = try OnlineLearner(MultimodalModel(TwoSenses.configuration), learning, seed: 3)
        for moment in TwoSenses.moments(30, seed: 4) { try learner.learn(moment) }
        return Array(learner.parameters.values)
    }

    @Test func aMixIsTheUnionOfItsPartsInWhateverOrder() throws {
        #expect(try parameters("der-ace") == parameters("er-ace, der++"))
        #expect(try parameters("lwf, ewc, der++") == parameters("er,der++,lwf,ewc"))
        #expect(try parameters("der-ace") != parameters("der++"))
    }

    @Test func aSettingBringsItsStrategyAlong() throws {
        #expect(try parameters("er", ["match_weight": 0.5]) == parameters("der++"))
        #expect(try parameters("er", ["candidates": 3]) == parameters("mir"))
        #expect(try parameters("er", ["elastic_strength": 100]) == parameters("er, ewc"))
        #expect(try parameters("der++", ["match_weight": 0, "elastic_strength": 0]) == parameters("er"))
    }

    @Test(
        arguments: [
            ("er", ["memory": 5]), ("ewc", ["elastic_strength": -1]), ("der++", ["match_rows": 5000]), ("mir", ["candidates": 65]),
            ("er-ace", ["window": 0]), ("er", ["scope": "tail"]), ("der++, hope", [:]),
        ] as [(String, JSON)])
    func whatMakesNoSenseIsRefused(_ names: String, _ settings: JSON) {
        #expect(throws: SettingsError.self) { try StrategyMix(named: names, settings: settings) }
    }

    @Test func rowsDrawnToBeMatchedAreBesideThoseThatAreLearned() throws {
        #expect(try parameters("der++", ["match_rows": 3]) != parameters("der++"))
        #expect(try parameters("der++", ["match_rows": 3, "match_weight": 0]) == parameters("er"))
    }

    /// Before strategies had places of their own in a state, elastic consolidation and the teacher had names there.
    @Test func aStateFromBeforeIsRestored() throws {
        let moments = TwoSenses.moments(60, seed: 4), whole = try learner("ewc, lwf")
        for moment in moments.prefix(35) { try whole.learn(moment) }
        let coded = try JSONEncoder().encode(whole.state.progress)
        guard case .object(var progress) = try JSONDecoder().decode(JSON.self, from: coded),
            case .object(let saved)? = progress.removeValue(forKey: "strategies")
        else { return #expect(Bool(false), "no strategies in \(whole.state.progress)") }
        (progress["consolidation"], progress["hasTeacher"]) = (saved["ewc"], true)
        var tensors: [String: [Float]] = [:]
        for (name, numbers) in whole.state.tensors {
            let renamed = name.replacingOccurrences(of: "strategy.ewc.", with: "elastic.")
            tensors[renamed.replacingOccurrences(of: "strategy.lwf.teacher", with: "teacher")] = numbers
        }
        #expect(tensors.keys.contains("elastic.importance") && tensors.keys.contains("teacher"))
        let copy = try OnlineLearner(whole.model, whole.configuration, parameters: whole.parameters.copy(), random: RandomSource(seed: 0))
        try copy.restore(
            .init(
                progress: JSONDecoder().decode(OnlineLearner.State.Progress.self, from: JSONEncoder().encode(JSON.object(progress))),
                tensors: tensors))
        for moment in moments.suffix(25) {
            try whole.learn(moment)
            try copy.learn(moment)
        }
        #expect(Array(whole.parameters.values) == Array(copy.parameters.values))
    }

    @Test func aStateOfStrategiesThatMakesNoSenseIsRefused() throws {
        let whole = try learner("ewc, er-ace"), state = whole.state
        let broken: [(String, JSON)] = [
            ("ewc", ["samples": -1, "isAnchored": true]), ("ewc", [:]), ("er-ace", ["recent": "all"]),
        ]
        for (name, progress) in broken {
            var broken = state
            broken.progress.strategies?[name] = progress
            #expect(throws: Optimizer.StateError.self) { try learner("ewc, er-ace").restore(broken) }
        }
        var short = state
        short.tensors["strategy.ewc.anchor"] = [1]
        #expect(throws: Optimizer.StateError.self) { try learner("ewc, er-ace").restore(short) }
    }

    @Test func whatBothStrategiesKeepGoesOnThroughASwitch() throws {
        let learner = try learner("ewc, er")
        for moment in TwoSenses.moments(25, seed: 4) { try learner.learn(moment) }
        let held = learner.graph.strategies.states["ewc"]
        try learner.switchStrategy(to: "ewc, der-ace")
        #expect(held != nil && learner.graph.strategies.states["ewc"] == held)
        try learner.switchStrategy(to: "ewc, heads")
        #expect(learner.graph.strategies.states["ewc"]?.tensors["anchor"]?.allSatisfy { $0 == 0 } == true, "of other weights")
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
        #expect(learner.method.optimizer == "momentum" && learner.strategy.storesLogits && learner.memorySlots.count == 10)
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
        #expect(said?.hasPrefix("sgd with er reverted") == true, "\(said ?? "nothing was said")")
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
