import Layers
import Model
import Statistics
import Tensors
import TensorsTesting
import Testing
@testable import Reinforcement

@Suite struct TextPPOTests {
    private static func configuration(length: Int = 10, vocabulary: Int = 7) -> MultimodalConfiguration {
        var configuration = MultimodalConfiguration()
        configuration.senses = [.init(name: "vector", rows: 1, columns: 1, embedding: 4, hidden: 4)]
        (configuration.width, configuration.layers, configuration.heads, configuration.tokens, configuration.joint) = (16, 1, 2, 1, 4)
        (configuration.text.length, configuration.text.vocabulary, configuration.text.words, configuration.text.buckets) = (
            length, vocabulary, 2, 4
        )
        return configuration
    }

    private static func settings(_ scope: TextPolicy.Scope, penalty: Double) -> TextPPO.Configuration {
        var settings = TextPPO.Configuration()
        (settings.learns, settings.learningRate, settings.penalty, settings.adaptation) = (
            scope.rawValue, scope == .trunk ? 3e-3 : 1e-2, penalty, 0
        )
        return settings
    }

    /// A policy writes eight tokens after two; the reward is the fraction of one token among them.
    private struct Writing {
        let policy: TextPolicy, learner: TextPPO, base: ParameterStore<Float>
        private let decoder: MomentDecoder
        private var random = RandomSource(seed: 99)

        init(_ settings: TextPPO.Configuration) throws {
            let configuration = TextPPOTests.configuration(), model = try MultimodalModel(configuration)
            var random = RandomSource(seed: 3)
            let base = model.initialStore(using: &random)
            // With small embeddings adapters, which change hidden states only, have little influence.
            if settings.learns == TextPolicy.Scope.adapters.rawValue { for i in base["wte.weight"].indices { base["wte.weight"][i] *= 5 } }
            self.base = base
            policy = try settings.policy(configuration)
            learner = try TextPPO(policy, settings, maximumTokens: 8, temperature: 1, seed: 1) { base }
            decoder = MomentDecoder(model, sampling: Sampling(), maximumTokens: 8, measures: true)
        }

        mutating func text() -> Transition {
            let moment = MomentInput(text: [1, 2], senses: ["vector": SenseInput(rows: 1, columns: 1, values: [0.5])])
            decoder.begin(moment, with: base, seed: random.next()) { policy.apply(learner.parameters, to: $0) }
            while decoder.next() != nil {}
            return Transition(
                observation: [], decision: Decision(decoder, of: moment, policy, learner.parameters),
                reward: Double(decoder.written.count { $0 == 4 }) / 8,
                next: [], nextValue: 0, isTerminal: true, isLast: true)
        }

        mutating func round() throws -> (score: Double, progress: PolicyProgress) {
            let texts = (0..<32).map { _ in text() }
            return (texts.reduce(0) { $0 + $1.reward } / 32, try #require(learner.learn(from: texts)))
        }
    }

    /// Means of the score and of the divergence of rounds 60 to 79, and the first round.
    private func end(_ scope: TextPolicy.Scope, penalty: Double) throws -> (score: Double, divergence: Double, first: PolicyProgress) {
        var writing = try Writing(Self.settings(scope, penalty: penalty))
        let rounds = try (0..<80).map { _ in try writing.round() }, last = rounds[60...]
        return (last.reduce(0) { $0 + $1.score } / 20, last.reduce(0) { $0 + $1.progress.fromReference } / 20, rounds[0].progress)
    }

    /// Each wanted token has a reward of 1/8. With a penalty β the optimal policy is π ∝ π_ref e^(1/8 / β); without it nearly all
    /// tokens become the wanted one, as far as adapters allow, and none the end.
    @Test(arguments: [TextPolicy.Scope.trunk, .adapters])
    func thePenaltyKeepsTheModelNearItsReference(scope: TextPolicy.Scope) throws {
        let held = try end(scope, penalty: scope == .trunk ? 0.1 : 0.5), free = try end(scope, penalty: 0)
        #expect(abs(held.first.fromReference) < 1e-5)
        #expect((0.15...0.65).contains(held.score) && held.divergence < 0.5, "\(held)")
        #expect(free.score > held.score + 0.25 && free.divergence > 2 * held.divergence, "\(free), \(held)")
    }

    /// The log-probabilities recorded by the decoder are those that the learner computes for the same text, so ratios begin at 1.
    @Test(arguments: [TextPolicy.Scope.trunk, .adapters])
    func whatWasWrittenIsAsLikelyToTheLearner(scope: TextPolicy.Scope) throws {
        var settings = Self.settings(scope, penalty: 0.1)
        settings.learningRate = 0
        var writing = try Writing(settings)
        for i in writing.learner.parameters.values.indices { writing.learner.parameters.values[i] += i.isMultiple(of: 2) ? 0.05 : -0.05 }
        writing.learner.resume(from: PolicyState())
        let (_, progress) = try writing.round()
        #expect(progress.fromReference > 1e-4 && abs(writing.learner.drift) < 1e-7, "\(progress), drift \(writing.learner.drift)")
    }

    /// The base model has learned after the texts were written, so the policy has changed: learning continues from it, and is not stopped
    /// by this change.
    @Test func aBaseModelThatLearnsDoesNotStopLearning() throws {
        var writing = try Writing(Self.settings(.adapters, penalty: 0.1))
        let texts = (0..<32).map { _ in writing.text() }, before = Array(writing.learner.parameters.values)
        for i in writing.base["wte.weight"].indices { writing.base["wte.weight"][i] *= i.isMultiple(of: 3) ? 2 : 0.5 }
        let progress = try #require(writing.learner.learn(from: texts))
        #expect(writing.learner.drift > 0.05 && abs(progress.fromReference) < 1e-5, "drift \(writing.learner.drift)")
        #expect(Array(writing.learner.parameters.values) != before)
    }

    @Test func aTextThatEndsItselfIsLearnedToItsEnd() throws {
        var writing = try Writing(Self.settings(.trunk, penalty: 0))
        let short = (0..<200).map { _ in writing.text() }.filter { ($0.decision.text?.tokens.count ?? 8) < 8 }
        #expect(!short.isEmpty && short.allSatisfy { $0.decision.text?.tokens.last == 6 })
        #expect(short.allSatisfy { $0.decision.text?.tokens.count == $0.decision.text?.logProbabilities.count })
        // Only short texts are rewarded, so that they become shorter.
        func length(_ texts: [Transition]) -> Double {
            texts.reduce(0) { $0 + Double($1.decision.text?.tokens.count ?? 0) } / Double(texts.count)
        }
        let before = length((0..<200).map { _ in writing.text() })
        for _ in 0..<40 {
            let texts = (0..<32).map { _ in
                var text = writing.text()
                text.reward = -Double(text.decision.text?.tokens.count ?? 0) / 8
                return text
            }
            _ = writing.learner.learn(from: texts)
        }
        let after = length((0..<200).map { _ in writing.text() })
        #expect(after < 0.6 * before, "\(before), then \(after)")
    }

    @Test func onlyWhatIsThePolicysOwnLearns() throws {
        var writing = try Writing(Self.settings(.adapters, penalty: 0.02))
        let before = writing.base.copy(), own = writing.learner.parameters.copy()
        for _ in 0..<2 { _ = try writing.round() }
        #expect(own.layout.parameters.allSatisfy { Adapters.contains($0) || $0.name.hasPrefix("value_head") })
        #expect(Array(before.values) == Array(writing.base.values) && Array(own.values) != Array(writing.learner.parameters.values))
    }

    @Test func aRestartedLearnerGoesOnWithItsPenaltyAndItsMoments() throws {
        var settings = Self.settings(.adapters, penalty: 0.1)
        (settings.adaptation, settings.pinsReference) = (0.5, true)
        var writing = try Writing(settings)
        for _ in 0..<3 { _ = try writing.round() }
        let again = try Writing(settings), state = writing.learner.state
        _ = again.learner.parameters.values.update(fromContentsOf: writing.learner.parameters.values)
        again.learner.resume(from: state)
        #expect(again.learner.penalty == writing.learner.penalty && again.learner.penalty != 0.1 && again.learner.state == state)
        #expect(state.tensors["reference"]?.count == writing.base.values.count && state.numbers["optimizer.steps"].map { $0 > 0 } == true)
    }

    @Test func theLossOfATextDifferentiatesExactly() throws {
        for adapters in [nil, Adapters(rank: 2, alpha: 4)] {
            let check = GradientCheck(
                TextLossCase(policy: try TextPolicy(Self.configuration(length: 4, vocabulary: 5), adapters: adapters)))
            #expect(check.gradientError < 1e-12 && check.hessianAsymmetry < 1e-12 && check.floatError < 2e-5 && check.isRepeatable)
        }
    }
}

private struct TextLossCase: Composition {
    let policy: TextPolicy
    var parameters: [Parameter] { policy.parameters }
    func record<S>(in graph: Graph<S>) -> Tensor<S> {
        let text = policy.record(texts: 2, rows: 5, temperature: 0.7, in: graph), seen = SenseInput(rows: 1, columns: 1, values: [0.3])
        text.language.set(MomentInput(text: [0], senses: ["vector": seen]), written: [1, 2, 4], row: 0, rows: 0..<3)
        text.language.set(MomentInput(text: [3, 2]), written: [1, 0], row: 1, rows: 3..<5)
        let distribution = graph.categorical(text.logits)
        distribution.taken.set([1, 2, 4, 1, 0])
        let loss = PPOLoss(distribution, values: text.values, clip: 0.2, valueWeight: 0.5, entropyWeight: 0.1, clipsValues: true, in: graph)
        loss.oldLogProbabilities.set((0..<5).map { S(-1.5 - 0.05 * Double($0)) })
        loss.advantages.set((0..<5).map { S(Double($0 % 3) - 1) })
        loss.returns.set((0..<5).map { S(Double($0) / 8) })
        loss.weights.set([1, 1, 1, 0, 1].map { S($0) })
        return loss.total
    }
}
