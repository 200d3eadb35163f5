import Foundation
import MetaLearning
import Statistics
import Tensors
import Testing

@Suite struct MetaGradientTests {
    /// `Golden/maml.py`'s numbers: PyTorch differentiates through its own inner steps.
    @Test func agreesWithPyTorchsDoubleBackward() throws {
        let golden = try Golden.read()
        #expect(golden.cases.count == 5)
        for one in golden.cases {
            let trial = Trial(one, firstOrder: one.first_order)
            let outcome = trial.differentiate()
            for (ours, theirs) in zip(outcome.supportLosses, one.support_losses) { #expect(abs(ours - theirs) < 1e-9) }
            #expect(abs(outcome.queryLoss - one.query_loss) < 1e-9, "\(one.norm)")
            for (name, theirs) in one.gradient {
                #expect(distance(trial.gradient[name], theirs) < 1e-9, "\(one.norm) \(name)")
                if !one.first_order {
                    #expect(distance(trial.rateGradient[name], one.rate_gradient[name]!) < 1e-9, "\(one.norm) α of \(name)")
                }
            }
        }
    }

    @Test func agreesWithAFiniteDifferenceOfTheWholeObjective() throws {
        for one in try Golden.read().cases where !one.first_order {
            let trial = Trial(one, firstOrder: false)
            _ = trial.differentiate()
            var random = RandomSource(seed: 11)
            let direction = trial.meta.values.map { _ in random.normal() }, start = Array(trial.meta.values)
            let along = zip(trial.gradient.values, direction).reduce(0) { $0 + $1.0 * $1.1 }
            let step = 1e-6
            let objective = { (sign: Double) in
                for place in start.indices { trial.meta.values[place] = start[place] + sign * step * direction[place] }
                return trial.objective()
            }
            let difference = (objective(1) - objective(-1)) / (2 * step)
            #expect(abs(along - difference) < 1e-5 * max(1, abs(difference)), "\(one.norm): \(along) against \(difference)")
        }
    }

    /// The first-order gradient is different: the omitted term is not small here.
    @Test func firstOrderIsAnotherGradient() throws {
        let one = try Golden.read().cases[0]
        let exact = Trial(one, firstOrder: false), first = Trial(one, firstOrder: true)
        let exactOutcome = exact.differentiate(), firstOutcome = first.differentiate()
        #expect(exactOutcome.queryLoss == firstOutcome.queryLoss)
        #expect(zip(exact.gradient.values, first.gradient.values).contains { abs($0 - $1) > 1e-3 })
    }

    /// In single precision, as it trains, it stays near the exact numbers.
    @Test func floatAgreesWithDouble() throws {
        for one in try Golden.read().cases where !one.first_order {
            let trial = Trial<Float>(one, firstOrder: false)
            _ = trial.differentiate()
            for (name, theirs) in one.gradient {
                let largest = theirs.map { abs($0) }.max()!
                #expect(
                    zip(trial.gradient[name], theirs).allSatisfy { abs(Double($0) - $1) <= 1e-4 * max(1, largest) }, "\(one.norm) \(name)")
            }
        }
    }
}

private struct Golden: Decodable {
    struct Case: Decodable {
        let norm: ChannelNorm
        let prototypes, first_order: Bool
        let steps: Int
        let weights, rates: [String: [Double]]
        let support, query: [Float]
        let support_labels, query_labels: [Int]
        let support_losses: [Double]
        let query_loss: Double
        let gradient, rate_gradient: [String: [Double]]
    }

    let cases: [Case]

    static func read() throws -> Golden {
        let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("../Golden/maml.json")
            .standardizedFileURL
        return try JSONDecoder().decode(Golden.self, from: Data(contentsOf: file))
    }
}

/// A golden case over some scalar.
private struct Trial<S: Scalar> {
    let meta, rates, gradient, rateGradient: ParameterStore<S>
    private let one: Golden.Case
    private let metaGradient: MetaGradient<FewShotLoss<S>>
    private let episode: Episode<LabelledImages>

    init(_ one: Golden.Case, firstOrder: Bool, of scalar: S.Type = S.self) {
        let network = FewShotNetwork(side: 8, channels: [3, 2], classes: 3, norm: one.norm)
        func store(_ numbers: [String: [Double]]) -> ParameterStore<S> {
            let store = ParameterStore<S>(network.layout)
            for (name, values) in numbers { _ = store[name].update(from: values.map { S($0) }) }
            return store
        }
        self.one = one
        meta = store(one.weights)
        rates = store(one.rates)
        gradient = ParameterStore(network.layout)
        rateGradient = ParameterStore(network.layout)
        let task = ParameterStore<S>(network.layout)
        metaGradient = MetaGradient(
            support: FewShotLoss(network, parameters: task, images: 6), query: FewShotLoss(network, parameters: task, images: 9),
            second: firstOrder ? nil : FewShotLoss(network, parameters: ParameterStore<Dual<S>>(network.layout), images: 6),
            start: one.prototypes ? PrototypeStart<S>(network, images: 6) : nil)
        episode = Episode(
            support: LabelledImages(pixels: one.support, labels: one.support_labels),
            query: LabelledImages(pixels: one.query, labels: one.query_labels))
    }

    func differentiate() -> MetaGradient<FewShotLoss<S>>.Outcome {
        metaGradient.add(episode, from: meta, rates: rates, steps: one.steps, to: gradient, rateGradient: rateGradient)
    }

    func objective() -> Double {
        metaGradient.adapt(episode.support, from: meta, rates: rates, steps: one.steps)
        metaGradient.query.put(episode.query)
        return metaGradient.query.differentiate().primal
    }
}

extension Trial where S == Double {
    init(_ one: Golden.Case, firstOrder: Bool) { self.init(one, firstOrder: firstOrder, of: Double.self) }
}

private func distance(_ ours: UnsafeMutableBufferPointer<Double>, _ theirs: [Double]) -> Double {
    zip(ours, theirs).map { abs($0 - $1) }.max() ?? .infinity
}
