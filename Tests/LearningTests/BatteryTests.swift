import Foundation
import Model
import Statistics
import StrictJSON
import Tensors
import Testing
@testable import Learning

/// Requirements of every strategy, optimiser, replay policy and detector in the lists; an addition to a list is checked automatically.
@Suite struct BatteryTests {
    /// One choice from a list, with the defaults of the others.
    struct Choice: Sendable, CustomTestStringConvertible {
        let testDescription: String
        var learning = OnlineLearner.Configuration()
        var rules: [TriggerRule] = []

        init(_ kind: String, _ name: String, _ change: (inout Self) -> Void) {
            testDescription = "\(kind) \(name)"
            (learning.replayed, learning.memory, learning.languageRows, learning.consolidateEvery) = (3, 20, 2, 10)
            learning.optimizerSettings = ["learning_rate": 0.003]
            change(&self)
        }

        mutating func act(_ action: TriggerRule.Action, on detector: String = "EveryN", _ settings: JSON = ["every": 50]) {
            var rule = TriggerRule()
            (rule.signal, rule.detector, rule.detectorSettings, rule.action, rule.cooldownSeconds) = ("loss", detector, settings, action, 0)
            rule.amount = 2
            rule.target = action == .switchStrategy ? "der-ace" : "adamw"
            rules.append(rule)
        }
    }

    private static let lists = OwnParts.lists
    static let choices =
        lists.strategies.map { name, parts in
            Choice("strategy", name) {
                $0.learning.strategy = name
                if !parts.allSatisfy(\.updates) { $0.act(.replayBurst, on: "EveryN", ["every": 5]) }
            }
        }
        + lists.optimizers.map { name, _ in Choice("optimiser", name) { $0.learning.optimizer = name } }
        + lists.replayPolicies.map { name, _ in Choice("replay", name) { $0.learning.replay = name } }
        + TriggerRule.Action.allCases.map { action in Choice("action", action.rawValue) { $0.act(action) } }
        + lists.driftDetectors.map { name, _ in Choice("detector", name) { $0.act(.replayBurst, on: name, [:]) } }

    /// A learner and its trigger rules.
    private struct Run {
        let learner: OnlineLearner
        var triggered: TriggeredLearning
        var time: Int64 = 0

        init(_ choice: Choice, seed: UInt64 = 3, parameters: ParameterStore<Float>? = nil) throws {
            let model = try MultimodalModel(TwoSenses.configuration)
            var random = RandomSource(seed: seed)
            let start = model.initialStore(using: &random)
            learner = try OnlineLearner(model, choice.learning, parameters: parameters ?? start.copy(), random: random, lists: lists)
            triggered = try TriggeredLearning(choice.rules, model, frozen: start, seed: seed, lists: lists)
        }

        mutating func learn(_ moments: some Sequence<MomentInput>) throws {
            for moment in moments {
                time += 1_000_000_000
                triggered.observe(try learner.learn(moment, source: "s\(time / 1_000_000_000 % 3)"), of: moment, learner, at: time)
            }
        }

        /// Its state after a round trip through a checkpoint's format.
        func resumed(_ choice: Choice) throws -> Run {
            let decoder = JSONDecoder()
            decoder.userInfo = [.replayPolicies: lists.replayPolicies, .driftDetectors: lists.driftDetectors]
            let state = learner.state, rules = triggered.state
            var copy = try Run(choice, parameters: learner.parameters.copy())
            try copy.learner.restore(
                .init(
                    progress: decoder.decode(OnlineLearner.State.Progress.self, from: JSONEncoder().encode(state.progress)),
                    tensors: state.tensors))
            copy.triggered.restore(
                try decoder.decode(TriggeredLearning.State.self, from: JSONEncoder().encode(rules.progress)), rules.tensors)
            copy.time = time
            return copy
        }

        /// The complete result of a run.
        func expect(_ other: Run) throws {
            #expect(Array(learner.parameters.values) == Array(other.learner.parameters.values))
            #expect(learner.state.tensors == other.learner.state.tensors && triggered.ledger == other.triggered.ledger)
            let progress = [learner, other.learner].map { JSON(encoding: $0.state.progress) }
            #expect(progress[0] == progress[1])
        }
    }

    @Test(arguments: choices) func aSeededRunRepeatsToTheBit(_ choice: Choice) throws {
        var one = try Run(choice), other = try Run(choice)
        try one.learn(TwoSenses.moments(60, seed: 4))
        try other.learn(TwoSenses.moments(60, seed: 4))
        try one.expect(other)
        #expect(one.learner.steps > 0 || choice.learning.strategy == "never")
    }

    @Test(arguments: choices) func aRunThatIsSavedAndRestoredGoesOnToTheBit(_ choice: Choice) throws {
        let moments = TwoSenses.moments(70, seed: 4)
        var whole = try Run(choice)
        try whole.learn(moments.prefix(33))
        var interrupted = try whole.resumed(choice)
        try whole.learn(moments.dropFirst(33))
        try interrupted.learn(moments.dropFirst(33))
        try whole.expect(interrupted)
    }

    @Test(arguments: choices) func theLossOfAToyTaskFalls(_ choice: Choice) throws {
        var run = try Run(choice)
        let test = TwoSenses.moments(40, seed: 5)
        let judge = MultimodalGraph.predicting(run.learner.model, parameters: run.learner.parameters, batch: 40, languageRows: 40)
        for (row, moment) in test.enumerated() { judge.set(moment, row: row) }
        judge.forward()
        let before = judge.losses.total
        try run.learn(TwoSenses.moments(120, seed: 4))
        judge.forward()
        #expect(judge.losses.total < before, "\(before) to \(judge.losses.total)")
    }

    /// The same strategies work with a learner of feature vectors.
    @Test(arguments: ["small", "der-ace, small"]) func aStrategyOfOnesOwnServesBothLearners(_ names: String) throws {
        func run(_ smallness: Double) throws -> (logits: Double, right: Int) {
            var learning = ClassifierLearner.Configuration()
            (learning.strategy, learning.strategySettings) = (names, ["smallness": .number(smallness)])
            learning.optimizerSettings = ["learning_rate": 0.01]
            let learner = try ClassifierLearner(
                ClassifierNetwork(features: 1, hidden: [8], classes: 2), learning, seed: 1, lists: Self.lists)
            var random = RandomSource(seed: 2)
            for _ in 0..<60 {
                learner.learn(
                    (0..<10).map { _ in
                        let label = random.uniform(below: 2)
                        return .init(features: [Float(2 * label - 1) + 0.1 * Float(random.normal())], label: label)
                    })
            }
            let server = ClassifierServer(learner.network, parameters: learner.parameters)
            let size = server.logits(of: [[-1], [1]]).joined().reduce(0) { $0 + Double($1 * $1) }
            return (size, server.classes(of: [[-1], [1]]) == [0, 1] ? 2 : 0)
        }
        let free = try run(0), held = try run(0.5)
        #expect(held.logits < 0.5 * free.logits && free.right == 2 && held.right == 2)
    }

    @Test func namesOfOnesOwnAreKnownOnlyWhereTheyWereHandedOn() throws {
        var learning = OnlineLearner.Configuration()
        learning.strategy = "small"
        let model = try MultimodalModel(TwoSenses.configuration)
        #expect(throws: SettingsError.self) { try OnlineLearner(model, learning, seed: 1) }
        _ = try OnlineLearner(model, learning, seed: 1, lists: Self.lists)
        learning.strategySettings = ["smallness": -1]
        #expect(throws: SettingsError.self) { try OnlineLearner(model, learning, seed: 1, lists: Self.lists) }
    }

    @Test func aListKeepsItsOrderAndTakesAnotherValueForAName() {
        let list: Named<Int> = ["one": 1, "two": 2]
        #expect(list.adding("three", 3).map(\.value) == [1, 2, 3] && list.adding("one", 7).map(\.value) == [7, 2])
        #expect(list["two"] == 2 && list["three"] == nil && list.names == "one, two")
        #expect(throws: SettingsError("number", "there is no 'four'; there are one, two")) { try list.find("four", for: "number") }
    }
}
