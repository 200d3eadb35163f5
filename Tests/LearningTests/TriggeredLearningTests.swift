import Foundation
import Model
import Statistics
import Tensors
import Testing
@testable import Learning

@Suite struct TriggeredLearningTests {
    private func learner(_ strategy: String = "er") throws -> OnlineLearner {
        var learning = OnlineLearner.Configuration()
        (learning.strategy, learning.replayed, learning.languageRows, learning.memory) = (strategy, 3, 0, 40)
        return try OnlineLearner(MultimodalModel(TwoSenses.configuration), learning, seed: 1)
    }

    private func rule(_ json: String) throws -> TriggerRule { try JSONDecoder().decode(TriggerRule.self, from: Data(json.utf8)) }

    private func run(_ rules: [TriggerRule], _ learner: OnlineLearner, _ moments: [MomentInput]) throws -> TriggeredLearning {
        var triggered = try TriggeredLearning(rules, learner.model, frozen: learner.parameters.copy(), seed: 1)
        for (index, moment) in moments.enumerated() {
            triggered.observe(try learner.learn(moment), of: moment, learner, at: Int64(index) * 1_000_000_000)
        }
        return triggered
    }

    @Test(arguments: TriggerRule.Action.allCases)
    func everyActionIsDoneAndItsCostAndEffectAreInTheLedger(_ action: TriggerRule.Action) throws {
        let target = ["switch_strategy": "der++", "switch_optimizer": "lamb"][action.rawValue] ?? ""
        let every = try rule(
            """
            {"name": "once", "detector": "EveryN", "detectorSettings": {"every": 30}, "action": "\(action.rawValue)", "amount": 4,
             "target": "\(target)"}
            """)
        let learner = try learner()
        let triggered = try run([every], learner, TwoSenses.moments(40, seed: 2))
        let fired = try #require(triggered.ledger.entries.first { $0.verdict == .fired })
        let steps = [.step: 4, .replayBurst: 4][action] ?? 0
        #expect(fired.cost == Double(steps) && learner.moments == 40)
        #expect((fired.before == nil) == (action == .nothing) && fired.note != nil)
        switch action {
        case .raiseRate: #expect(learner.optimizer.rateScale == 4)
        case .lowerRate: #expect(learner.optimizer.rateScale == 0.25)
        case .switchStrategy: #expect(learner.method.strategy == "der++")
        case .switchOptimizer: #expect(learner.method.optimizer == "lamb")
        case .nothing, .step, .replayBurst: #expect(learner.steps == 40 + steps)
        case .rollBack: #expect(fired.note?.contains("interval ago") == true && learner.steps == 40)
        }
    }

    /// The moments by which effects are measured are part of the state until they are forgotten.
    @Test func forgottenMomentsAreNotInTheState() throws {
        let every = try rule(#"{"name": "once", "detector": "EveryN", "detectorSettings": {"every": 30}, "action": "nothing"}"#)
        var triggered = try run([every], learner(), TwoSenses.moments(4, seed: 2))
        #expect(triggered.state.tensors["probe"]?.isEmpty == false)
        triggered.forgetMoments()
        #expect(triggered.state.tensors["probe"]?.isEmpty == true)
    }

    /// A rollback restores the weights of the interval's beginning, also for serving, and resets the optimiser's moments.
    @Test func aRollBackPutsBackTheWeightsOfAnIntervalAgo() throws {
        let every = try rule(#"{"name": "once", "detector": "EveryN", "detectorSettings": {"every": 30}, "action": "roll_back"}"#)
        let learner = try learner()
        var triggered = try TriggeredLearning([every], learner.model, frozen: learner.parameters.copy(), seed: 1), past: [Float] = []
        for (index, moment) in TwoSenses.moments(30, seed: 2).enumerated() {
            let outcome = try learner.learn(moment), learned = Array(learner.parameters.values)
            if index == 0 { past = learned }
            let wasRolledBack = triggered.observe(outcome, of: moment, learner, at: Int64(index) * 1_000_000_000)
            #expect(wasRolledBack == (index == 29))
            #expect(Array(learner.parameters.values) == (index == 29 ? past : learned), "moment \(index)")
        }
        #expect(Array(learner.servingParameters.values) == past)
        #expect(learner.optimizer.steps == 0 && learner.optimizer.moments.allSatisfy { $0.values.allSatisfy { $0 == 0 } })
        let good = learner.parameters.copy()
        good.values[0] += 1
        var toGood = try TriggeredLearning(
            [rule(#"{"detector": "EveryN", "detectorSettings": {"every": 1}, "action": "roll_back"}"#)], learner.model, frozen: good,
            seed: 1)
        let moment = TwoSenses.moments(1, seed: 5)[0]
        toGood.observe(try learner.learn(moment), of: moment, learner, good: good, at: 0)
        #expect(Array(learner.parameters.values) == Array(good.values), "where a gate keeps a good version, that one")
    }

    @Test func aLearnerThatNeverUpdatesLearnsWhenARuleSays() throws {
        let burst = try rule(
            #"{"signal": "error", "detector": "EveryN", "detectorSettings": {"every": 10}, "action": "replay_burst", "amount": 8, "#
                + #""cooldownSeconds": 0, "budget": 1000}"#
        )
        let learner = try learner("never"), start = learner.parameters.copy()
        let triggered = try run([burst], learner, TwoSenses.moments(100, seed: 2))
        #expect(learner.steps == 80)
        let scorer = MomentScorer(learner.model, parameters: learner.parameters, rows: 16),
            baseline = MomentScorer(learner.model, parameters: start, rows: 16)
        let test = TwoSenses.moments(100, seed: 3)
        func loss(_ scorer: MomentScorer) -> Double { scorer.score(test).reduce(0) { $0 + ($1?.loss ?? 0) } }
        #expect(loss(scorer) < loss(baseline))
        let firings = triggered.ledger.entries.filter { $0.verdict == .fired }
        #expect(firings.count == 10 && firings.allSatisfy { $0.cost == 8 && $0.before != nil && $0.after != nil })
    }

    @Test func everySignalComes() throws {
        let names = ["loss", "error", "loss_over_frozen", "shift.image", "shift.audio", "shift.text", "anchor_loss"]
        let rules = try names.map { try rule(#"{"name": "\#($0)", "signal": "\#($0)", "action": "nothing"}"#) }
        let learner = try learner()
        var triggered = try TriggeredLearning(rules, learner.model, frozen: learner.parameters.copy(), seed: 1)
        for (index, moment) in TwoSenses.moments(230, seed: 2).enumerated() {
            triggered.observe(try learner.learn(moment), of: moment, learner, signals: [("anchor_loss", 1)], at: Int64(index))
        }
        for name in names { #expect(triggered.ledger.entries.contains { $0.rule == name }, "\(name)") }
        let progress = try JSONDecoder().decode(TriggeredLearning.State.self, from: JSONEncoder().encode(triggered.state.progress))
        var copy = try TriggeredLearning(rules, learner.model, frozen: learner.parameters.copy(), seed: 9)
        copy.restore(progress, triggered.state.tensors)
        for (index, moment) in TwoSenses.moments(20, seed: 5).enumerated() {
            let outcome = try learner.learn(moment)
            triggered.observe(outcome, of: moment, learner, at: Int64(300 + index))
            copy.observe(outcome, of: moment, learner, at: Int64(300 + index))
        }
        // The frozen baseline is not part of the state: it follows from the seed.
        #expect(
            copy.ledger.entries.filter { $0.rule != "loss_over_frozen" }
                == triggered.ledger.entries.filter { $0.rule != "loss_over_frozen" })
    }

    @Test func aReadingOfAnotherKindShifts() throws {
        var shift = ModalityShift("image", random: RandomSource(seed: 1))
        var last = 0.0
        for moment in TwoSenses.moments(250, seed: 2) { last = shift.add(moment) ?? last }
        #expect(last < 0.1)
        for var moment in TwoSenses.moments(120, seed: 3) {
            let values = moment.senses["image"]?.values ?? []
            moment.senses["image"]?.values = values.map { $0 + 3 }
            last = shift.add(moment) ?? last
        }
        #expect(last > 0.3)
        #expect(shift.add(MomentInput()) == nil)
    }

    @Test func aRuleThatMakesNoSenseIsRefused() throws {
        #expect(throws: DecodingError.self) { try rule(#"{"singal": "loss"}"#) }
        let model = try MultimodalModel(TwoSenses.configuration), store = try learner().parameters
        for json in [
            #"{"action": "switch_optimizer", "target": "newton"}"#, #"{"action": "switch_strategy"}"#, #"{"detector": "ESP"}"#,
            #"{"action": "raise_rate"}"#,
        ] {
            #expect(throws: SettingsError.self, "\(json)") { try TriggeredLearning([rule(json)], model, frozen: store, seed: 1) }
        }
    }
}
