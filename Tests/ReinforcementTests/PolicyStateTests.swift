import Statistics
import StrictJSON
import Testing
@testable import Reinforcement

/// The state of a learner beside the policy's parameters survives a restart.
@Suite struct PolicyStateTests {
    private func step(_ number: Int, choice: Int? = nil) -> Transition {
        let x = Float(number) / 100
        return Transition(
            observation: [x, -x], decision: Decision(choice: choice, values: [x], raw: [x], logProbability: -0.7, value: 0),
            reward: Double(number % 7),
            next: [x + 1, x], nextValue: 0, isTerminal: number.isMultiple(of: 5), isLast: number.isMultiple(of: 5))
    }

    private func restored(_ name: String, _ actions: ActionSpace, _ settings: JSON, from learner: any PolicyLearner) throws
        -> any PolicyLearner
    {
        let again = try policyLearner(name, inputs: 2, actions: actions, settings: settings, seed: 9)
        _ = again.parameters.values.update(fromContentsOf: learner.parameters.values)
        again.resume(from: learner.state)
        return again
    }

    @Test func ddpgKeepsItsTargetsItsMomentsAndTheNewestSteps() throws {
        let actions = ActionSpace.controls([-1...1]), settings: JSON = ["memory": 30, "warmup": 4, "batch": 4, "hidden": [8]]
        let learner = try policyLearner("ddpg", inputs: 2, actions: actions, settings: settings, seed: 1)
        _ = learner.learn(from: (0..<47).map { step($0) })  // the memory is a ring that has come round
        let state = learner.state, again = try restored("ddpg", actions, settings, from: learner)
        #expect(again.state == state)
        #expect(state.tensors["memory.rewards"] == (17..<47).map { Float($0 % 7) } && state.tensors["memory.follows"]?.count == 30)
        #expect(state.tensors["targets"] != Array(learner.parameters.values) && state.numbers["critic.steps"] == 44)
    }

    @Test func ppoGoesOnWithItsMoments() throws {
        let settings: JSON = ["batch": 20, "minibatch": 10, "hidden": [8]]
        let learner = try policyLearner("ppo", inputs: 2, actions: .choices(2), settings: settings, seed: 1)
        _ = learner.learn(from: (0..<20).map { step($0, choice: $0 % 2) })
        let again = try restored("ppo", .choices(2), settings, from: learner)
        #expect(again.state == learner.state && learner.state.numbers["rounds"] == 1 && learner.state.numbers["optimizer.steps"] == 8)
    }

    @Test func aStateThatDoesNotFitIsBegunAnew() throws {
        let settings: JSON = ["memory": 30, "warmup": 4, "batch": 4, "hidden": [8]]
        let learner = try policyLearner("ddpg", inputs: 2, actions: .controls([-1...1]), settings: settings, seed: 1)
        _ = learner.learn(from: (0..<10).map { step($0) })
        let fresh = try policyLearner("ddpg", inputs: 3, actions: .controls([-1...1]), settings: settings, seed: 1), before = fresh.state
        fresh.resume(from: learner.state)
        #expect(fresh.state.tensors["memory.rewards"] == [] && fresh.state.tensors["targets"] == before.tensors["targets"])
        #expect(fresh.state.numbers["critic.steps"] == 0)
    }

    /// The state of a large replay buffer is limited to its newest transitions.
    @Test func aLargeMemoryKeepsItsNewestPart() {
        var memory = TransitionMemory(capacity: 10, inputs: 2, width: 1)
        for number in 0..<14 { memory.append(step(number)) }
        #expect(memory.state(atMost: 4 * 7).tensors["memory.rewards"] == [10, 11, 12, 13].map { Float($0 % 7) })
    }
}
