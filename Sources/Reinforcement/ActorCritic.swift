import Layers
import Tensors

/// An actor (policy) and a critic (value estimate) as two separate networks.
public struct ActorCritic: Layer {
    public let inputs: Int
    public let actions: ActionSpace
    private let actor: DenseStack
    private let critic: DenseStack

    /// The initial ln σ of controls: σ is e^−0.5 of half their range.
    static let firstLogDeviation = -0.5
    static let deviationName = "actor.log_deviation"

    public init(inputs: Int, actions: ActionSpace, hidden: [Int], activation: Activation = .tanh) {
        self.inputs = inputs
        self.actions = actions
        actor = DenseStack(
            "actor", inputs, hidden: hidden, outputs: actions.width, activation: activation, start: .orthogonal(lastGain: 0.01))
        critic = DenseStack("critic", inputs, hidden: hidden, outputs: 1, activation: activation, start: .orthogonal(lastGain: 1))
    }

    public var parameters: [Parameter] {
        let spread = actions.isDiscrete ? [] : [Parameter(Self.deviationName, [actions.width])]
        return actor.parameters + critic.parameters + spread
    }

    public func initialize<S: Scalar>(_ store: ParameterStore<S>, using generator: inout some RandomNumberGenerator) {
        [actor, critic].initialize(store, using: &generator)
        if !actions.isDiscrete { store[Self.deviationName].fill(Self.firstLogDeviation) }
    }

    /// x (rows, inputs); returns the logits of choices or the means of controls, (rows, width).
    func act<S>(_ x: Tensor<S>, in graph: Graph<S>) -> Tensor<S> { actor(x, in: graph) }

    /// x (rows, inputs); returns the value estimates, (rows).
    func evaluate<S>(_ x: Tensor<S>, in graph: Graph<S>) -> Tensor<S> { critic(x, in: graph).reshaped([x.rows]) }

    /// PPO's loss over a batch of observations (rows, inputs).
    func loss<S>(_ x: Tensor<S>, _ configuration: PPO.Configuration, in graph: Graph<S>) -> (PPOLoss<S>, any ActionDistribution<S>) {
        let outputs = act(x, in: graph), values = evaluate(x, in: graph)
        func loss(_ distribution: some ActionDistribution<S>) -> (PPOLoss<S>, any ActionDistribution<S>) {
            (
                PPOLoss(
                    distribution, values: values, clip: configuration.clip, valueWeight: configuration.valueWeight,
                    entropyWeight: configuration.entropyWeight, clipsValues: configuration.clipsValues, in: graph), distribution
            )
        }
        if actions.isDiscrete { return loss(graph.categorical(outputs)) }
        return loss(graph.diagonalGaussian(mean: outputs, logDeviation: graph.parameter(Self.deviationName)))
    }
}
