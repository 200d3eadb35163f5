import Foundation
import Statistics
import Tensors

/// The policy of an actor-critic, which decides on one observation at a time.
public final class ActorCriticPolicy: Policy {
    public let actions: ActionSpace
    public let inputs: Int
    public let parameters: ParameterStore<Float>
    private let graph: Graph<Float>
    private let observation: Tensor<Float>
    private let outputs: Tensor<Float>
    private let probabilities: Tensor<Float>
    private let value: Tensor<Float>

    public init(_ network: ActorCritic, parameters: ParameterStore<Float>) {
        actions = network.actions
        inputs = network.inputs
        self.parameters = parameters
        graph = .predicting(parameters: parameters)
        observation = graph.input([1, network.inputs])
        outputs = network.act(observation, in: graph)
        probabilities = graph.softmax(outputs)
        value = network.evaluate(observation, in: graph)
    }

    public func decide(on observation: [Float], explores: Bool, using random: inout RandomSource) -> Decision {
        self.observation.set(observation)
        graph.forward()
        let value = Double(self.value.value)
        guard actions.isDiscrete else { return control(value, explores, &random) }
        let choice = explores ? draw(from: probabilities.values, &random) : likeliest(probabilities.values)
        return Decision(choice: choice, logProbability: log(max(1e-30, Double(probabilities.values[choice]))), value: value)
    }

    public func probabilities(on observation: [Float]) -> [Double] {
        guard actions.isDiscrete else { return [] }
        self.observation.set(observation)
        graph.forward()
        return probabilities.values.map { Double($0) }
    }

    /// The critic's estimate of the value of an observation.
    public func value(of observation: [Float]) -> Double {
        self.observation.set(observation)
        graph.forward()
        return Double(value.value)
    }

    /// u ~ N(μ, σ), tanh u mapped to the bounds; ln p = ln N(u) − Σ ln(half · (1 − tanh² u)), where half is half the range of a
    /// control.
    private func control(_ value: Double, _ explores: Bool, _ random: inout RandomSource) -> Decision {
        let spread = parameters[ActorCritic.deviationName]
        var raw: [Float] = [], logDensity = 0.0
        for (i, bounds) in actions.bounds.enumerated() {
            let mean = Double(outputs.values[i]), deviation = exp(Double(spread[i]))
            let u = Float(explores ? mean + deviation * random.normal() : mean)
            let z = (Double(u) - mean) / deviation
            // ln(1 − tanh² u) = 2 (ln 2 − u − softplus(−2u)), which does not overflow.
            let slope = 2 * (log(2) - abs(Double(u)) - log1p(exp(-2 * abs(Double(u)))))
            logDensity +=
                -0.5 * z * z - Double(spread[i]) - 0.5 * log(2 * .pi)
                - log((bounds.upperBound - bounds.lowerBound) / 2) - slope
            raw.append(u)
        }
        return Decision(values: actions.bounded(raw.map { tanh($0) }), raw: raw, logProbability: logDensity, value: value)
    }
}

/// ln N(u; μ, σ) of the numbers drawn, from the published density, without the factor of the mapping to the bounds.
func gaussianLogProbability(of decision: Decision, bounds: [ClosedRange<Double>]) -> Double {
    zip(decision.raw, bounds).reduce(decision.logProbability) { sum, drawn in
        let u = abs(Double(drawn.0)), half = (drawn.1.upperBound - drawn.1.lowerBound) / 2
        return sum + log(half) + 2 * (log(2) - u - log1p(exp(-2 * u)))
    }
}

func draw(from probabilities: some Collection<Float>, _ random: inout RandomSource) -> Int {
    var rest = random.uniform()
    for (index, probability) in probabilities.enumerated() {
        rest -= Double(probability)
        if rest < 0 { return index }
    }
    return probabilities.count - 1
}

func likeliest(_ numbers: some Collection<Float>) -> Int {
    numbers.argmax.map { numbers.distance(from: numbers.startIndex, to: $0) } ?? 0
}
