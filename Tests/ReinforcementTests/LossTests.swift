import Tensors
import TensorsTesting
import Testing
@testable import Reinforcement

@Suite struct LossTests {
    /// PyTorch's numbers, written by `Golden/reinforcement.py`.
    @Test(arguments: 0..<4) func ppoLosesAsInPyTorch(index: Int) throws {
        let golden = try Golden.read().ppo[index], rows = golden.values.count, width = golden.told[0].count
        let layout = ParameterLayout([Parameter("told", [rows, width]), Parameter("values", [rows]), Parameter("deviation", [width])])
        let graph = Graph(parameters: ParameterStore<Double>(layout))
        graph.parameter("told").set(golden.told.flatMap { $0 })
        graph.parameter("values").set(golden.values)
        graph.parameter("deviation").set(golden.logDeviation ?? [0, 0, 0])

        let distribution: any ActionDistribution<Double> =
            golden.logDeviation == nil
            ? graph.categorical(graph.parameter("told"))
            : graph.diagonalGaussian(mean: graph.parameter("told"), logDeviation: graph.parameter("deviation"))
        switch golden.taken {
        case .choices(let choices):
            for (row, choice) in choices.enumerated() { distribution.take(Decision(choice: choice, logProbability: 0, value: 0), row: row) }
        case .controls(let controls):
            let taken = try #require(distribution as? DiagonalGaussian<Double>).taken
            taken.set(controls.flatMap { $0 })
        }
        let loss = record(distribution, golden, in: graph)
        graph.forward()
        graph.backward(from: loss.total)

        expectClose(distribution.logProbability.values, golden.logProbabilities)
        expectClose(
            [loss.entropy.value, loss.policy.value, loss.value.value, loss.total.value, loss.divergence],
            [golden.entropy, golden.policy, golden.value, golden.total, golden.divergence])
        expectClose(graph.gradients["told"], golden.toldGradient)
        expectClose(graph.gradients["values"], golden.valueGradient)
        if golden.logDeviation != nil { expectClose(graph.gradients["deviation"], golden.deviationGradient) }
    }

    private func record(_ distribution: some ActionDistribution<Double>, _ golden: Golden.PPO, in graph: Graph<Double>) -> PPOLoss<Double> {
        let loss = PPOLoss(
            distribution, values: graph.parameter("values"), clip: 0.2, valueWeight: 0.5, entropyWeight: 0.01,
            clipsValues: golden.clipsValues, in: graph)
        loss.oldLogProbabilities.set(golden.oldLogProbabilities)
        loss.advantages.set(golden.advantages)
        loss.returns.set(golden.returns)
        loss.oldValues.set(golden.oldValues)
        return loss
    }

    @Test func advantagesAreThoseOfPyTorchsLoop() throws {
        let golden = try Golden.read().advantages, count = golden.rewards.count
        let steps = (0..<count).map { t in
            Transition(
                observation: [], decision: Decision(choice: 0, logProbability: 0, value: golden.values[t]), reward: golden.rewards[t],
                next: [],
                nextValue: t + 1 < count ? golden.values[t + 1] : golden.last, isTerminal: golden.done[t] == 1, isLast: golden.done[t] == 1)
        }
        let found = Advantages(of: steps, discount: golden.discount, lambda: golden.lambda)
        expectClose(found.advantages, golden.advantages)
        expectClose(found.returns, zip(golden.advantages, golden.values).map { $0 + $1 })
    }

    /// A truncated episode is bootstrapped from its value estimate, and nothing is carried over from the next episode.
    @Test func aTruncatedEpisodeIsWorthWhatWouldFollow() {
        func step(isLast: Bool) -> Transition {
            Transition(
                observation: [], decision: Decision(logProbability: 0, value: 1), reward: 1, next: [], nextValue: 10, isTerminal: false,
                isLast: isLast)
        }
        #expect(Advantages(of: [step(isLast: true), step(isLast: true)], discount: 0.5, lambda: 1).advantages == [5, 5])
        #expect(Advantages(of: [step(isLast: false), step(isLast: true)], discount: 0.5, lambda: 1).advantages == [7.5, 5])
    }

    @Test func ddpgLosesAsInPyTorch() throws {
        let golden = try Golden.read().ddpg
        let network = DeterministicActorCritic(inputs: 2, actions: .controls([-1...1]), hidden: [4])
        let store = ParameterStore<Double>(network.layout)
        for (name, numbers) in golden.parameters { _ = store[name].update(fromContentsOf: numbers.flat) }

        let critic = Graph(parameters: store, learning: DeterministicActorCritic.isCritic)
        let x = critic.constant([5, 2], golden.observations.flatMap { $0 }), a = critic.constant([5, 1], golden.actions.flatMap { $0 })
        let criticLoss = network.criticLoss(x, a, targets: critic.constant([5], golden.targets), in: critic)
        critic.forward()
        critic.backward(from: criticLoss)
        expectClose([criticLoss.value], [golden.criticLoss])
        for (name, gradient) in golden.criticGradient { expectClose(critic.gradients[name], gradient) }

        let actor = Graph(parameters: store, learning: DeterministicActorCritic.isActor)
        let actorLoss = network.actorLoss(actor.constant([5, 2], golden.observations.flatMap { $0 }), in: actor)
        actor.forward()
        actor.backward(from: actorLoss)
        expectClose([actorLoss.value], [golden.actorLoss])
        for (name, gradient) in golden.actorGradient { expectClose(actor.gradients[name], gradient) }
        #expect(actor.gradients.layout.parameters.allSatisfy(DeterministicActorCritic.isActor))
    }

    private func expectClose(_ found: some Collection<Double>, _ wanted: [Double], _ location: SourceLocation = #_sourceLocation) {
        #expect(found.count == wanted.count, sourceLocation: location)
        for (a, b) in zip(found, wanted) { #expect(abs(a - b) < 1e-10, "\(a), not \(b)", sourceLocation: location) }
    }
}

@Suite struct ReinforcementGradientTests {
    private static let cases: [any Composition] = [
        ChoiceLossCase(), ControlLossCase(), ChoiceLossCase(clipsValues: true), CriticCase(), ActorCase(), MinimumCase(),
    ]

    @Test(arguments: cases.indices) func everyLossDifferentiatesExactly(index: Int) {
        let composition = Self.cases[index], check = GradientCheck(composition)
        #expect(check.gradientError < 1e-12, "\(composition.name)")
        #expect(check.hessianAsymmetry < 1e-12, "\(composition.name)")
        #expect(check.floatError < 2e-5, "\(composition.name)")
        #expect(check.isRepeatable, "\(composition.name)")
    }
}

private struct ChoiceLossCase: Composition {
    var clipsValues = false
    let parameters = [Parameter("told", [5, 3]), Parameter("values", [5])]
    func record<S>(in graph: Graph<S>) -> Tensor<S> {
        let distribution = graph.categorical(graph.parameter("told"))
        distribution.taken.set([0, 2, 1, 1, 0])
        return lossCase(distribution, clipsValues: clipsValues, in: graph)
    }
}

private struct ControlLossCase: Composition {
    let parameters = [Parameter("told", [5, 3]), Parameter("values", [5]), Parameter("deviation", [3])]
    func record<S>(in graph: Graph<S>) -> Tensor<S> {
        let distribution = graph.diagonalGaussian(mean: graph.parameter("told"), logDeviation: graph.parameter("deviation"))
        distribution.taken.set((0..<15).map { S(Double($0 % 4) / 3 - 0.5) })
        return lossCase(distribution, clipsValues: false, in: graph)
    }
}

private func lossCase<S>(_ distribution: some ActionDistribution<S>, clipsValues: Bool, in graph: Graph<S>) -> Tensor<S> {
    let loss = PPOLoss(
        distribution, values: graph.parameter("values"), clip: 0.2, valueWeight: 0.5, entropyWeight: 0.3, clipsValues: clipsValues,
        in: graph)
    loss.oldLogProbabilities.set([-1.3, -0.9, -1.1, -1, -1.2].map { S($0) })
    loss.advantages.set([0.5, -1, 2, 0.1, -0.4].map { S($0) })
    loss.returns.set([0.5, 1, -1, 0, 2].map { S($0) })
    loss.oldValues.set([0.1, 0.2, 0.3, -0.2, -0.1].map { S($0) })
    loss.weights.set([1, 1, 0.5, 0, 1].map { S($0) })
    return loss.total
}

private struct CriticCase: Composition {
    let network = DeterministicActorCritic(inputs: 3, actions: .controls([-1...1, 0...2]), hidden: [7, 5])
    var parameters: [Parameter] { network.parameters.filter(DeterministicActorCritic.isCritic) }
    func record<S>(in graph: Graph<S>) -> Tensor<S> {
        network.criticLoss(graph.example([4, 3]), graph.example([4, 2], seed: 2), targets: graph.example([4], seed: 3), in: graph)
    }
}

private struct ActorCase: Composition {
    let network = DeterministicActorCritic(inputs: 3, actions: .controls([-1...1, 0...2]), hidden: [7, 5])
    var parameters: [Parameter] { network.parameters }
    func record<S>(in graph: Graph<S>) -> Tensor<S> { network.actorLoss(graph.example([4, 3]), in: graph) }
}

private struct MinimumCase: Composition {
    let parameters = [Parameter("x", [3, 7]), Parameter("y", [3, 7])]
    func record<S>(in graph: Graph<S>) -> Tensor<S> {
        let (x, y) = (graph.parameter("x"), graph.parameter("y"))
        return graph.multiply(graph.minimum(x, y), graph.maximum(graph.clip(x, -0.5...0.25), y))
    }
}
