import Foundation
import Model
import Statistics
import StrictJSON
import Tensors
import Testing
@testable import Learning

/// Numbers that are not finite enter nothing that outlives a step, and what a learner remembers can always be written down.
@Suite struct NonFiniteTests {
    private func learner(
        _ strategy: String, replay: String = "loss", optimizer: String = "adam", settings: JSON = ["learning_rate": 0.003]
    ) throws -> OnlineLearner {
        var learning = OnlineLearner.Configuration()
        (learning.strategy, learning.replay, learning.replayed, learning.languageRows, learning.memory) = (strategy, replay, 3, 1, 20)
        (learning.optimizer, learning.optimizerSettings, learning.consolidateEvery) = (optimizer, settings, 5)
        return try OnlineLearner(MultimodalModel(TwoSenses.configuration), learning, seed: 3)
    }

    private func absurd(_ number: Float) -> MomentInput {
        var moment = TwoSenses.moments(1, seed: 9)[0]
        moment.senses["image"]?.values = Array(repeating: number, count: 12)
        return moment
    }

    private func isFinite(_ learner: OnlineLearner) -> Bool {
        learner.parameters.values.allSatisfy(\.isFinite) && learner.state.tensors.values.allSatisfy { $0.allSatisfy(\.isFinite) }
    }

    @Test(arguments: ["er", "der++, ewc, lwf", "mir", "der-ace"], [1e15, 1e25, .greatestFiniteMagnitude] as [Float])
    func readingsThatAreTooLargeLeaveALearnerThatCanBeWrittenDownAndLearns(strategy: String, number: Float) throws {
        let learner = try learner(strategy)
        for (index, moment) in TwoSenses.moments(24, seed: 4).enumerated() {
            if index.isMultiple(of: 4) { try learner.learn(absurd(number)) }
            try learner.learn(moment)
        }
        #expect(isFinite(learner))
        _ = try JSONEncoder().encode(learner.state.progress)
        let steps = learner.steps, remembered = learner.memorySlots.count
        for moment in TwoSenses.moments(12, seed: 5) { try learner.learn(moment) }
        #expect(learner.steps == steps + 12 && remembered >= 20, "what is remembered spoils no step, and the good is not forgotten")
    }

    @Test(arguments: [Double.nan, .infinity, -.infinity]) func aPriorityThatIsNotFiniteCountsAsOne(priority: Double) throws {
        var buffer = try ReplayBuffer<Int>(policy: "loss", capacity: 4, random: RandomSource(seed: 1))
        buffer.add(1, priority: priority)
        buffer.add(2, priority: 3)
        buffer.setPriority(priority, of: 1)
        #expect(buffer.slots.map(\.priority) == [1, 3])
        _ = try JSONEncoder().encode(buffer)
    }

    @Test(arguments: optimizers.map(\.key), [Float(1e19), 1e30, .greatestFiniteMagnitude, .infinity, .nan])
    func aGradientThatIsTooLargeIsNoStep(name: String, gradient: Float) throws {
        let layout = ParameterLayout([Parameter("w", [21])]), weights = ParameterStore<Float>(layout),
            gradients = ParameterStore<Float>(layout)
        weights.values.fill(0.5)
        gradients.values.fill(0.1)
        let optimizer = Optimizer(try updateRule(name), parameters: weights, gradients: gradients)
        optimizer.step()
        let (before, state) = (Array(weights.values), optimizer.state.tensors)
        gradients.values[20] = gradient
        #expect(!optimizer.step().stepped && optimizer.skipped == 1)
        #expect(Array(weights.values) == before && optimizer.state.tensors == state)
    }

    /// An excessive decay or rate makes weights overflow single precision; they are reset to 0 and always finite.
    @Test(arguments: optimizers.map(\.key)) func weightsThatDivergeStayNumbers(name: String) throws {
        let layout = ParameterLayout([Parameter("w", [3, 7])]), weights = ParameterStore<Float>(layout),
            gradients = ParameterStore<Float>(layout)
        weights.values.fill(0.5)
        gradients.values.fill(0.1)
        let rule = try updateRule(name, settings: ["learning_rate": 1000, "weight_decay": 1000])
        let optimizer = Optimizer(rule, parameters: weights, gradients: gradients)
        for _ in 0..<50 {
            optimizer.step()
            #expect(weights.values.allSatisfy(\.isFinite) && optimizer.state.tensors.values.allSatisfy { $0.allSatisfy(\.isFinite) })
        }
    }

    @Test func consolidationTakesNoGradientThatCannotBeSquared() {
        let layout = ParameterLayout([Parameter("w", [4])]), weights = ParameterStore<Float>(layout),
            gradients = ParameterStore<Float>(layout)
        let elastic = ElasticPenalty(on: weights, layout)
        for gradient: Float in [1e30, Float.greatestFiniteMagnitude, Float.nan, 2] {
            gradients.values.fill(Double(gradient))
            elastic.gather(gradients)
        }
        elastic.consolidate()
        #expect(Array(elastic.importance.values) == [4, 4, 4, 4])
    }

    @Test(arguments: ["ADWIN", "PageHinkley", "DDM", "KSWIN", "CUSUM", "EveryN"], ["loss", "shift.image"])
    func signalsOfAnySizeLeaveRulesThatCanBeWrittenDown(detector: String, signal: String) throws {
        var rule = TriggerRule()
        (rule.signal, rule.detector, rule.action) = (signal, detector, .nothing)
        let model = try MultimodalModel(TwoSenses.configuration), store = try learner("er").parameters
        var triggered = try TriggeredLearning([rule], model, frozen: store, seed: 1)
        let learner = try learner("er")
        for (index, var moment) in TwoSenses.moments(300, seed: 2).enumerated() {
            if index % 7 == 3 { moment.senses["image"]?.values = Array(repeating: [3e38, 1e30, -3e38][index % 3], count: 12) }
            let told: [Double] = [1e308, -1e308, .infinity, .nan, 1]
            triggered.observe(nil, of: moment, learner, signals: [("loss", told[index % 5])], at: Int64(index))
        }
        triggered.ledger.append("gate", .nothing, "why", signal: .nan, before: .infinity, after: -.infinity, at: 0)
        let progress = try JSONDecoder().decode(TriggeredLearning.State.self, from: JSONEncoder().encode(triggered.state.progress))
        #expect(triggered.state.tensors.values.allSatisfy { $0.allSatisfy(\.isFinite) })
        var copy = try TriggeredLearning([rule], model, frozen: store, seed: 1)
        copy.restore(progress, triggered.state.tensors)
        #expect(copy.ledger == triggered.ledger)
    }

    @Test func aGateThatSawReadingsThatAreTooLargeCanBeWrittenDownAndLetsAGoodCandidatePass() throws {
        var settings = UpdateGate.Configuration()
        (settings.enabled, settings.recent) = (true, 16)
        let learner = try learner("er"), start = learner.parameters.copy()
        let gate = try UpdateGate(settings, learner.model, frozen: start, serving: start, random: RandomSource(seed: 1))
        for (index, moment) in TwoSenses.moments(60, seed: 4).enumerated() {
            for one in index.isMultiple(of: 5) ? [absurd(3e38), moment] : [moment] {
                gate.observe(one, candidate: learner.servingParameters)
                try learner.learn(one)
            }
        }
        let verdict = gate.decide(learner)
        #expect(
            verdict.decision == .accepted && [verdict.candidateLoss, verdict.servingLoss, verdict.anchorLoss].allSatisfy(\.isFinite),
            "\(verdict.reason)")
        _ = try JSONEncoder().encode(gate.state.progress)
        #expect(gate.pairs.count == 16)
    }
}
