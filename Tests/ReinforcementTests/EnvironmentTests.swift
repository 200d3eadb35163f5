import Foundation
import Statistics
import Testing
@testable import Reinforcement

@Suite struct EnvironmentTests {
    /// Gymnasium's own steps, written by `Golden/reinforcement.py`.
    @Test func bothWorldsMoveAsGymnasiumMoves() throws {
        for episode in try Golden.read().environments {
            switch episode.name {
            case "CartPole-v1":
                var world = CartPole()
                _ = world.begin(at: episode.start)
                compare(&world, episode) { Decision(choice: Int($0), logProbability: 0, value: 0) }
            default:
                var world = Pendulum()
                _ = world.begin(at: episode.start)
                compare(&world, episode) { Decision(values: [Float($0)], logProbability: 0, value: 0) }
            }
        }
    }

    private func compare(_ world: inout some Environment, _ episode: Golden.Episode, _ decision: (Double) -> Decision) {
        #expect(episode.steps.count > 20)
        for (action, wanted) in zip(episode.actions, episode.steps) {
            let found = world.step(decision(action))
            for (a, b) in zip(found.observation, wanted.observation) { #expect(abs(a - b) <= 1e-6 * max(1, abs(b)), "\(episode.name)") }
            // Gymnasium's torque, and what it costs, are in single precision.
            #expect(abs(found.reward - wanted.reward) < 1e-6)
            #expect(found.isTerminal == wanted.terminated && found.isTruncated == wanted.truncated)
        }
    }

    @Test func episodesAreTruncatedAfter500And200Steps() {
        var pole = CartPole(), pendulum = Pendulum(), random = RandomSource(seed: 1)
        _ = pendulum.reset(using: &random)
        let steps = (1...300).first { _ in pendulum.step(Decision(values: [0], logProbability: 0, value: 0)).isTruncated }
        #expect(steps == 200)
        _ = pole.begin(at: [0, 0, 0, 0])
        // Pushing in the direction in which the pole leans keeps it up for a while; the limit is reported in any case.
        let outcomes = (1...500).map { _ in
            pole.step(Decision(choice: pole.state[2] + pole.state[3] > 0 ? 1 : 0, logProbability: 0, value: 0))
        }
        #expect(outcomes[499].isTruncated && !outcomes[498].isTruncated)
    }
}

@Suite struct PolicyTests {
    /// Four rounds of CleanRL's size: not converged, but far above the 22 steps of an untrained policy.
    @Test func ppoHoldsThePoleLongerThanChance() throws {
        var settings = PPO.Configuration()
        settings.learningRate = 1e-3
        let learner = try PPO(inputs: 4, actions: .choices(2), settings, seed: 1)
        let before = mean(learner.policy.evaluate(in: CartPole(), episodes: 10, seed: 5))
        var training = Training(learner, in: CartPole(), copies: 4, seed: 2)
        while training.steps < 20_000 { training.advance() }
        let after = mean(learner.policy.evaluate(in: CartPole(), episodes: 10, seed: 5))
        #expect(before < 100 && after > 150, "\(before), then \(after)")
    }

    @Test func equalSeedsGiveEqualPolicies() throws {
        func train(_ seed: UInt64) throws -> [Float] {
            var training = Training(
                try PPO(inputs: 4, actions: .choices(2), PPO.Configuration(), seed: seed), in: CartPole(), copies: 2, seed: 7)
            while training.steps < 1100 { training.advance() }
            return Array(training.learner.policy.parameters.values)
        }
        #expect(try train(3) == train(3))
        #expect(try train(3) != train(4))
    }

    /// A target: the reward is −(a − x)², so the best control is what is observed.
    @Test func ddpgFindsTheControlThatIsObserved() throws {
        var settings = DDPG.Configuration()
        (settings.hidden, settings.batch, settings.warmup, settings.learningRate) = ([32, 32], 64, 100, 2e-3)
        settings.noise = 0.3
        let learner = try DDPG(inputs: 1, actions: .controls([-2...2]), settings, seed: 1)
        var random = RandomSource(seed: 2)
        for _ in 0..<2500 {
            let x = Float(random.uniform(in: -1.5..<1.5))
            let decision = learner.policy.decide(on: [x], explores: true, using: &random)
            #expect((-2...2).contains(decision.values[0]))
            let miss = Double(decision.values[0] - x)
            _ = learner.learn(from: [
                Transition(
                    observation: [x], decision: decision, reward: -miss * miss, next: [x], nextValue: 0, isTerminal: true, isLast: true)
            ])
        }
        for x: Float in [-1, 0, 1] {
            let found = learner.policy.decide(on: [x], explores: false, using: &random).values[0]
            #expect(abs(found - x) < 0.25, "\(found) at \(x)")
        }
    }

    /// The same with PPO's choice of a control: the mean moves to what is observed.
    @Test func ppoFindsTheControlThatIsObserved() throws {
        var settings = PPO.Configuration()
        (settings.learningRate, settings.batch, settings.minibatch, settings.hidden) = (3e-3, 256, 64, [32])
        settings.entropyWeight = 0
        let learner = try PPO(inputs: 1, actions: .controls([-2...2]), settings, seed: 1)
        var random = RandomSource(seed: 2), rounds = 0
        while rounds < 60 {
            let x = Float(random.uniform(in: -1.5..<1.5))
            let decision = learner.policy.decide(on: [x], explores: true, using: &random), miss = Double(decision.values[0] - x)
            let step = Transition(
                observation: [x], decision: decision, reward: -miss * miss, next: [x], nextValue: 0, isTerminal: true, isLast: true)
            if learner.learn(from: [step]) != nil { rounds += 1 }
        }
        for x: Float in [-1, 0, 1] {
            let found = learner.policy.decide(on: [x], explores: false, using: &random).values[0]
            #expect(abs(found - x) < 0.3, "\(found) at \(x)")
        }
    }

    /// The observation determines which of three choices is rewarded: LinUCB learns it, and reports correct probabilities.
    @Test func theBanditLearnsWhichChoicePays() throws {
        let bandit = try LinearBandit(inputs: 3, actions: .choices(3), LinearBandit.Configuration(), seed: 1)
        var random = RandomSource(seed: 4), wins = 0
        for round in 0..<600 {
            var x: [Float] = [0, 0, 0]
            let pays = random.uniform(below: 3)
            x[pays] = 1
            let decision = bandit.decide(on: x, explores: true, using: &random)
            let probabilities = bandit.probabilities(on: x)
            #expect(abs(probabilities.reduce(0, +) - 1) < 1e-9)
            #expect(abs(decision.logProbability - log(probabilities[decision.choice ?? 0])) < 1e-6)
            let reward = decision.choice == pays ? 1.0 : 0
            if round >= 300 { wins += Int(reward) }
            _ = bandit.learn(from: [
                Transition(
                    observation: x, decision: decision, reward: reward, next: x, nextValue: 0, isTerminal: true, isLast: true)
            ])
        }
        #expect(wins > 255, "\(wins) of 300")
    }

    /// The reported density integrates to one over the bounds.
    @Test func aDensityOverBoundsIsOne() throws {
        let learner = try PPO(inputs: 1, actions: .controls([1...3]), PPO.Configuration(), seed: 1)
        var random = RandomSource(seed: 5), drawn: [(value: Float, density: Double)] = []
        for _ in 0..<4000 {
            let decision = learner.policy.decide(on: [0.5], explores: true, using: &random)
            drawn.append((decision.values[0], exp(decision.logProbability)))
        }
        drawn.sort { $0.value < $1.value }
        let area = zip(drawn, drawn.dropFirst()).reduce(0) { $0 + Double($1.1.value - $1.0.value) * ($1.0.density + $1.1.density) / 2 }
        #expect(abs(area - 1) < 0.05, "\(area)")
        #expect(drawn.allSatisfy { (1...3).contains($0.value) })
    }

    @Test func settingsThatDoNotGoWithTheActionsAreRefused() {
        #expect(throws: SettingsError.self) { try policyLearner("ddpg", inputs: 2, actions: .choices(2), seed: 1) }
        #expect(throws: SettingsError.self) { try policyLearner("bandit", inputs: 2, actions: .controls([0...1]), seed: 1) }
        #expect(throws: SettingsError.self) { try policyLearner("oracle", inputs: 2, actions: .choices(2), seed: 1) }
        #expect(throws: SettingsError.self) { try policyLearner("ppo", inputs: 2, actions: .choices(2), settings: ["clip": 2], seed: 1) }
        #expect(throws: SettingsError.self) {
            try policyLearner("fixed", inputs: 2, actions: .choices(2), settings: ["probabilities": [0.5, 0.6]], seed: 1)
        }
    }

    private func mean(_ numbers: [Double]) -> Double { numbers.reduce(0, +) / Double(numbers.count) }
}

@Suite struct OffPolicyTests {
    /// The reward is 1 for choice 1 if x > 0, else for choice 0; the logging policy chose with probabilities 0.7 and 0.3. The mean rewards
    /// of other policies are known.
    private func log(_ count: Int, seed: UInt64) -> [LoggedDecision] {
        var random = RandomSource(seed: seed)
        return (0..<count).map { index in
            let x = Float(random.normal()), choice = random.uniform() < 0.7 ? 0 : 1
            let reward = (choice == 1) == (x > 0) ? 1.0 : 0
            return LoggedDecision(
                decision: "\(index)", policy: "fixed", version: 1, observation: [x], choice: choice,
                logProbability: Foundation.log(choice == 0 ? 0.7 : 0.3), value: 0, reward: reward, hasFeedback: true)
        }
    }

    @Test func everyEstimatorFindsWhatAPolicyWouldEarn() {
        let good: (LoggedDecision) -> [Double] = { $0.observation[0] > 0 ? [0.1, 0.9] : [0.9, 0.1] }
        let estimate = OffPolicyEstimate(log(4000, seed: 1), choices: 2, of: good)
        for figure in [estimate.inversePropensity, estimate.selfNormalized, estimate.doublyRobust] {
            #expect(abs(figure.mean - 0.9) < 4 * figure.error && figure.error < 0.03, "\(figure)")
        }
        let even = OffPolicyEstimate(log(4000, seed: 1), choices: 2) { _ in [0.5, 0.5] }
        #expect(abs(even.doublyRobust.mean - 0.5) < 4 * even.doublyRobust.error)
        #expect(estimate.effectiveCount < 4000 && estimate.count == 4000)
    }

    /// By hand: two decisions, weights 2 and 0.5, rewards 1 and 4.
    @Test func theFormulasAreThosePublished() {
        let estimate = OffPolicyEstimate([
            .init(weight: 2, reward: 1, chosen: 0.5, expected: 0.75), .init(weight: 0.5, reward: 4, chosen: 3, expected: 2),
        ])
        #expect(estimate.inversePropensity.mean == 2)
        #expect(estimate.selfNormalized.mean == 1.6)
        #expect(estimate.doublyRobust.mean == (0.75 + 2 * 0.5 + 2 + 0.5 * 1) / 2)
        #expect(abs(estimate.effectiveCount - 6.25 / 4.25) < 1e-12)
    }
}
