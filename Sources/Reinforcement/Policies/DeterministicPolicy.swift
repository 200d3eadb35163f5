import Foundation
import Statistics
import Tensors

/// The policy of a deterministic actor, with normal noise added to its action for exploration.
public final class DeterministicPolicy: Policy {
    public let actions: ActionSpace
    public let inputs: Int
    public let parameters: ParameterStore<Float>
    /// σ of the noise, relative to half a control's range.
    public let noise: Double
    private let graph: Graph<Float>
    private let observation: Tensor<Float>
    private let action: Tensor<Float>
    private let value: Tensor<Float>

    public init(_ network: DeterministicActorCritic, parameters: ParameterStore<Float>, noise: Double) {
        actions = network.actions
        inputs = network.inputs
        self.parameters = parameters
        self.noise = noise
        graph = .predicting(parameters: parameters)
        observation = graph.input([1, network.inputs])
        action = network.act(observation, in: graph)
        value = network.evaluate(observation, action, in: graph)
    }

    public func probabilities(on observation: [Float]) -> [Double] { [] }

    /// Decides on controls. `logProbability` is the log-density of the noise before clipping; 0 without exploration.
    public func decide(on observation: [Float], explores: Bool, using random: inout RandomSource) -> Decision {
        self.observation.set(observation)
        graph.forward()
        var raw = Array(action.values), logDensity = 0.0
        if explores, noise > 0 {
            for (i, bounds) in actions.bounds.enumerated() {
                let z = random.normal()
                raw[i] = min(1, max(-1, raw[i] + Float(noise * z)))
                logDensity += -0.5 * z * z - log(noise * (bounds.upperBound - bounds.lowerBound) / 2) - 0.5 * log(2 * .pi)
            }
        }
        return Decision(values: actions.bounded(raw), raw: raw, logProbability: logDensity, value: Double(value.value))
    }
}
