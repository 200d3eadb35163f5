import Model
import Statistics
import Tensors
import Testing
@testable import Reinforcement

/// The state of a learner never contains a number that is not finite, whatever it learned from.
@Suite struct ExtremeRewardsTests {
    private static let absurd: [Double] = [1e308, -1e308, .infinity, -.infinity, .nan, 1e39, 1e30, -1e30, 1e20]

    private func step(
        _ number: Int, choice: Int?, reward: Double, observation: Float = 0.1, logProbability: Double = -0.7, value: Double = 0
    ) -> Transition {
        let x = Float(number % 10) / 10
        return Transition(
            observation: [x, observation],
            decision: Decision(choice: choice, values: [0.1], raw: [0.1], logProbability: logProbability, value: value),
            reward: reward, next: [x, observation], nextValue: value, isTerminal: false, isLast: number.isMultiple(of: 5))
    }

    private func learner(_ name: String) throws -> any ConfigurablePolicy {
        switch name {
        case "ppo":
            try policyLearner(name, inputs: 2, actions: .choices(2), settings: ["batch": 20, "minibatch": 10, "hidden": [8]], seed: 1)
        case "ppo controls":
            try policyLearner(
                "ppo", inputs: 2, actions: .controls([-1...1]), settings: ["batch": 20, "minibatch": 10, "hidden": [8]], seed: 1)
        case "ddpg":
            try policyLearner(
                name, inputs: 2, actions: .controls([-1...1]), settings: ["memory": 100, "warmup": 4, "batch": 4, "hidden": [8]], seed: 1)
        default: try policyLearner(name, inputs: 2, actions: .choices(2), seed: 1)
        }
    }

    private func isFinite(_ learner: any ConfigurablePolicy) -> Bool {
        let state = learner.state
        return learner.parameters.values.allSatisfy(\.isFinite) && state.numbers.values.allSatisfy(\.isFinite)
            && state.tensors.values.allSatisfy { $0.allSatisfy(\.isFinite) }
    }

    private static let names = ["bandit", "ppo", "ppo controls", "ddpg", "fixed"]

    @Test(arguments: names, absurd) func oneAbsurdRewardSpoilsNoState(name: String, reward: Double) throws {
        let learner = try learner(name), choice: Int? = learner.policy.actions.isDiscrete ? 1 : nil
        for number in 0..<60 {
            let progress = learner.learn(from: [step(number, choice: choice, reward: number == 7 ? reward : 1)])
            #expect(progress.map { $0.loss.isFinite && $0.divergence.isFinite } ?? true)
        }
        #expect(isFinite(learner))
        var random = RandomSource(seed: 3)
        #expect(learner.policy.decide(on: [0.1, 0.1], explores: true, using: &random).isFinite)
    }

    @Test(arguments: names, [Float.infinity, .nan, .greatestFiniteMagnitude, -1e30]) func oneAbsurdObservationSpoilsNoState(
        name: String, number: Float
    ) throws {
        let learner = try learner(name), choice: Int? = learner.policy.actions.isDiscrete ? 1 : nil
        for place in 0..<60 { _ = learner.learn(from: [step(place, choice: choice, reward: 1, observation: place == 7 ? number : 0.1)]) }
        #expect(isFinite(learner))
    }

    @Test(arguments: names, [Double.infinity, .nan, 1e308, -1e308]) func oneAbsurdEstimateSpoilsNoState(name: String, number: Double) throws
    {
        let learner = try learner(name), choice: Int? = learner.policy.actions.isDiscrete ? 1 : nil
        for place in 0..<60 {
            _ = learner.learn(from: [
                step(place, choice: choice, reward: 1, logProbability: place == 7 ? number : -0.7, value: place == 9 ? number : 0)
            ])
        }
        #expect(isFinite(learner))
    }

    /// Only the transition with the absurd reward is skipped.
    @Test func anAbsurdRewardLeavesABanditUnchanged() throws {
        let told = try learner("bandit"), silent = try learner("bandit")
        for number in 0..<40 {
            let choice = number % 2, one = step(number, choice: choice, reward: Double(choice))
            _ = told.learn(from: [one])
            _ = silent.learn(from: [one])
            if number == 20 { #expect(told.learn(from: [step(number, choice: 1, reward: 1e308)])?.skipped == 1) }
        }
        #expect(Array(told.parameters.values) == Array(silent.parameters.values))
    }

    @Test(arguments: ["bandit", "ppo", "ddpg"]) func aStoredStateThatIsNotFiniteIsBegunAnew(name: String) throws {
        let learner = try learner(name), choice: Int? = learner.policy.actions.isDiscrete ? 1 : nil
        for number in 0..<60 { _ = learner.learn(from: [step(number, choice: choice, reward: 1)]) }
        var state = learner.state
        for name in state.tensors.keys { state.tensors[name]?[0] = .infinity }
        for name in state.numbers.keys { state.numbers[name] = .nan }
        let again = try self.learner(name)
        if name == "bandit" { again.parameters.values[0] = .infinity }
        again.resume(from: state)
        for number in 0..<60 { _ = again.learn(from: [step(number, choice: choice, reward: 1)]) }
        #expect(isFinite(again))
    }

    @Test func aRunEndsWhereAStepIsLeftOut() {
        var steps = (1...4).map { step($0, choice: 0, reward: 1) }
        steps[2].reward = .nan
        #expect(steps.finite.map(\.isLast) == [false, true, false])
        #expect([steps[2], steps[3]].finite.map(\.isLast) == [false])
    }

    /// When ordinals restart, decisions of equal ordinals are distinguished by their secrets, and an unknown secret still counts as
    /// forged.
    @Test func decisionsAreTakenThoughTheirNumbersComeAgain() {
        func made(_ ordinal: UInt64, _ secret: UInt64) -> DecisionJoin.Made {
            .init(
                id: DecisionID(session: "a", ordinal: ordinal, secret: secret), session: "a", version: 1, observation: [],
                decision: Decision(choice: 0, logProbability: -0.7, value: 0))
        }
        var configuration = DecisionJoin.Configuration()
        configuration.waitsForNext = false
        var join = DecisionJoin(configuration)
        for ordinal in 1...3 as ClosedRange<UInt64> {
            #expect(join.insert(made(ordinal, 1), at: 0) == nil)
            if ordinal < 3 { #expect(join.insert(.init(id: made(ordinal, 1).id, session: "a", reward: 1), at: 1) == nil) }
        }
        #expect(join.settle(at: 1).count == 2)
        for ordinal in 1...3 as ClosedRange<UInt64> { #expect(join.insert(made(ordinal, 2), at: 2) == nil) }
        #expect(join.insert(made(2, 2), at: 2) == .duplicateFeedback)
        #expect(join.insert(.init(id: made(1, 9).id, session: "a", reward: 5), at: 3) == .forgedFeedback)
        #expect(join.insert(.init(id: made(1, 1).id, session: "a", reward: 5), at: 3) == .duplicateFeedback, "it was told of before")
        for (ordinal, secret) in [(3, 1), (1, 2), (2, 2), (3, 2)] as [(UInt64, UInt64)] {
            #expect(join.insert(.init(id: made(ordinal, secret).id, session: "a", reward: Double(secret)), at: 3) == nil)
        }
        #expect(join.settle(at: 3).map(\.reward) == [1, 2, 2, 2] && join.open == 0)
    }
}
