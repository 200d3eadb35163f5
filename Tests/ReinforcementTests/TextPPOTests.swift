import Layers
import Model
import Statistics
import Tensors
import TensorsTesting
import Testing
@testable import Reinforcement

@Suite struct TextPPOTests {
    private static let tiny = GPT2Configuration(vocabularySize: 6, positions: 10, width: 16, layers: 1, heads: 2)

    private func rounds(_ count: Int, penalty: Double, learning: @escaping (Parameter) -> Bool = { _ in true }, adapters: Adapters? = nil) throws
        -> (rounds: [TextPPO.Round], before: ParameterStore<Float>, after: ParameterStore<Float>)
    {
        let policy = TextPolicy(Self.tiny, adapters: adapters)
        var random = RandomSource(seed: 3), settings = TextPPO.Configuration()
        (settings.texts, settings.minibatch, settings.prompt, settings.length) = (32, 8, 2, 8)
        (settings.learningRate, settings.penalty, settings.adaptation) = (3e-3, penalty, 0)
        let store: ParameterStore<Float> = policy.initialStore(using: &random), before = store.copy()
        let learner = try TextPPO(policy, parameters: store, learning: learning, settings, seed: 1)
        let rounds = (0..<count).map { _ in
            learner.round(prompts: Array(repeating: [1, 2], count: 32)) { $0.map { $0 == 4 ? 1.0 / 8 : 0 } }
        }
        return (rounds, before, store)
    }

    private func mean(_ rounds: ArraySlice<TextPPO.Round>, _ value: (TextPPO.Round) -> Double) -> Double {
        rounds.map(value).reduce(0, +) / Double(rounds.count)
    }

    /// A sixth of the tokens is the wanted one at first, worth 1/8 each. Under a penalty of 0.1 the best model has π ∝ π_ref e^(1/8 / 0.1): a share
    /// of 0.41 at a divergence of 0.165 nats. Without it nearly all become the wanted one.
    @Test func thePenaltyHoldsTheModelNearItsReference() throws {
        let held = try rounds(60, penalty: 0.1).rounds, free = try rounds(60, penalty: 0).rounds
        #expect(held[0].divergence < 1e-6 && abs(held[0].score - 1.0 / 6) < 0.1)
        #expect((0.3...0.52).contains(mean(held[40...], \.score)), "\(mean(held[40...], \.score))")
        #expect(mean(held[40...], \.divergence) < 0.35, "\(mean(held[40...], \.divergence))")
        #expect(mean(free[40...], \.score) > 0.8 && mean(free[40...], \.divergence) > 0.8)
    }

    @Test func onlyAdaptersAndTheValueLearnWhereTheyAreAsked() throws {
        let learns: (Parameter) -> Bool = { Adapters.contains($0) || $0.name.hasPrefix("value_head") }
        let (_, before, after) = try rounds(2, penalty: 0.02, learning: learns, adapters: Adapters(rank: 2, alpha: 4))
        for parameter in before.layout.parameters {
            let moved = !zip(before[parameter.name], after[parameter.name]).allSatisfy { $0 == $1 }
            if !learns(parameter) { #expect(!moved, "\(parameter.name)") }
        }
        #expect(zip(before["h.0.attn.c_attn.lora_B.weight"], after["h.0.attn.c_attn.lora_B.weight"]).contains { $0 != $1 })
    }

    @Test func textsLongerThanTheModelAreRefused() throws {
        let policy = TextPolicy(Self.tiny)
        let store: ParameterStore<Float> = ParameterStore(policy.layout)
        #expect(throws: SettingsError.self) { try TextPPO(policy, parameters: store, TextPPO.Configuration(), seed: 1) }
    }

    @Test func theLossOfATextDifferentiatesExactly() {
        let check = GradientCheck(TextLossCase())
        #expect(check.gradientError < 1e-12 && check.hessianAsymmetry < 1e-12 && check.floatError < 2e-5 && check.isRepeatable)
    }
}

private struct TextLossCase: Composition {
    let policy = TextPolicy(GPT2Configuration(vocabularySize: 5, positions: 4, width: 8, layers: 1, heads: 2))
    var parameters: [Parameter] { policy.parameters }
    func record<S>(in graph: Graph<S>) -> Tensor<S> {
        let text = policy.record(texts: 2, time: 4, in: graph)
        text.ids.set([0, 1, 2, 3, 4, 3, 2, 1])
        let distribution = graph.categorical(text.logits)
        distribution.taken.set([1, 2, 3, 0, 3, 2, 1, 0])
        let loss = PPOLoss(distribution, values: text.values, clip: 0.2, valueWeight: 0.5, entropyWeight: 0.1, clipsValues: true, in: graph)
        loss.oldLogProbabilities.set((0..<8).map { S(-1.5 - 0.05 * Double($0)) })
        loss.advantages.set((0..<8).map { S(Double($0 % 3) - 1) })
        loss.returns.set((0..<8).map { S(Double($0) / 8) })
        loss.weights.set([0, 1, 1, 0, 0, 1, 1, 0].map { S($0) })
        return loss.total
    }
}
