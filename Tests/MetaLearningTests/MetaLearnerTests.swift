import MetaLearning
import Statistics
import Tensors
import Testing

/// Similar tasks: y = a·x, each with a different a near 3.
private final class LineLoss<S: Scalar>: TaskLoss {
    let graph: Graph<S>
    private let x: Tensor<S>, y: Tensor<S>, loss: Tensor<S>

    init(parameters: ParameterStore<S>) {
        graph = Graph(parameters: parameters)
        x = graph.input([4, 1])
        y = graph.input([4, 1])
        loss = graph.meanSquaredError(graph.linear(x, weight: graph.parameter("slope")), y)
    }

    var parameters: ParameterStore<S> { graph.parameters }
    var gradients: ParameterStore<S> { graph.gradients }

    func put(_ examples: [(x: Float, y: Float)]) {
        x.set(examples.map { S(Double($0.x)) })
        y.set(examples.map { S(Double($0.y)) })
    }

    func differentiate() -> S {
        graph.forward()
        graph.backward(from: loss)
        return loss.value
    }
}

private struct Lines {
    var random: RandomSource

    mutating func examples(of slope: Double) -> [(x: Float, y: Float)] {
        (0..<4).map { _ in
            let x = random.uniform(in: 0.5..<1)
            return (Float(x), Float(slope * x))
        }
    }

    mutating func episode() -> Episode<[(x: Float, y: Float)]> {
        let slope = 3 + 0.2 * random.normal()
        return Episode(support: examples(of: slope), query: examples(of: slope))
    }
}

@Suite struct MetaLearnerTests {
    private let layout = ParameterLayout([Parameter("slope", [1, 1])])

    private func trained(secondOrder: Bool, rateRate: Double = 0) throws -> (slope: Float, rate: Float, losses: [Double]) {
        let task = ParameterStore<Float>(layout), meta = ParameterStore<Float>(layout)
        var configuration = MetaConfiguration()
        configuration.steps = 2
        configuration.innerRate = 0.1
        configuration.rateRate = rateRate
        configuration.optimizerSettings = ["learning_rate": 0.05]
        let second = secondOrder ? LineLoss<Dual<Float>>(parameters: ParameterStore(layout)) : nil
        let learner = try MetaLearner(
            configuration, meta: meta,
            metaGradient: MetaGradient(support: LineLoss(parameters: task), query: LineLoss(parameters: task), second: second))
        var lines = Lines(random: RandomSource(seed: 5))
        let losses = (0..<200).map { _ in learner.learn((0..<4).map { _ in lines.episode() }) }
        return (meta.values[0], learner.rates.values[0], losses)
    }

    @Test(arguments: [true, false]) func findsParametersNearThoseOfAllTasks(_ secondOrder: Bool) throws {
        let result = try trained(secondOrder: secondOrder)
        #expect(abs(result.slope - 3) < 0.2)
        let first: Double = result.losses.prefix(20).reduce(0, +), last: Double = result.losses.suffix(20).reduce(0, +)
        #expect(last < 0.05 * first)
        #expect(result.rate == 0.1)
        #expect(try trained(secondOrder: secondOrder).losses == result.losses)
    }

    /// One example determines the slope, so that a higher rate is better.
    @Test func learnsToAdaptFaster() throws {
        let result = try trained(secondOrder: true, rateRate: 0.01)
        #expect(result.rate > 0.3)
        let last: Double = result.losses.suffix(20).reduce(0, +),
            slower: Double = try trained(secondOrder: true).losses.suffix(20).reduce(0, +)
        #expect(last < slower)
    }

    @Test func reptileMovesTowardsTheAdaptedParameters() throws {
        let meta = ParameterStore<Float>(layout), task = ParameterStore<Float>(layout)
        var configuration = MetaConfiguration()
        configuration.innerRate = 0.2
        configuration.optimizer = "sgd"
        configuration.optimizerSettings = ["learning_rate": 0.5]
        let reptile = try Reptile(configuration, meta: meta, loss: LineLoss(parameters: task))
        var lines = Lines(random: RandomSource(seed: 5))
        // With SGD at rate ½ the start moves half of the way to the adapted parameters.
        reptile.learn([[lines.examples(of: 2), lines.examples(of: 2)]])
        #expect(meta.values[0] == task.values[0] / 2)
        for _ in 0..<50 {
            reptile.learn(
                (0..<4).map { _ in
                    let slope = 3 + 0.2 * lines.random.normal()
                    return (0..<4).map { _ in lines.examples(of: slope) }
                })
        }
        #expect(abs(meta.values[0] - 3) < 0.3)
    }

    @Test func refusesNonsense() {
        #expect(throws: SettingsError.self) { try MetaConfiguration(["steps": 0]) }
        #expect(throws: SettingsError.self) { try MetaConfiguration(["inner_rate": -1]) }
        #expect(throws: SettingsError.self) { try MetaConfiguration(["optimizer": "best"]) }
    }
}
