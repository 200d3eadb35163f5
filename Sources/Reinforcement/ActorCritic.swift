import Layers
import Tensors

/// A policy and a value estimate of an observation, each a network of its own.
public struct ActorCritic: Layer {
    public let inputs: Int
    public let actions: ActionSpace
    private let actor: DenseStack
    private let critic: DenseStack

    /// Of the spread that controls are first tried with: e^−0.5 of half their range.
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

    /// Logits of choices or means of controls, (rows, width).
    func act<S>(_ x: Tensor<S>, in graph: Graph<S>) -> Tensor<S> { actor(x, in: graph) }

    /// (rows)
    func judge<S>(_ x: Tensor<S>, in graph: Graph<S>) -> Tensor<S> { critic(x, in: graph).reshaped([x.rows]) }

    /// What PPO minimises over a batch of observations (rows, inputs).
    func loss<S>(_ x: Tensor<S>, _ configuration: PPO.Configuration, in graph: Graph<S>) -> (PPOLoss<S>, any ActionDistribution<S>) {
        let told = act(x, in: graph), values = judge(x, in: graph)
        func loss(_ distribution: some ActionDistribution<S>) -> (PPOLoss<S>, any ActionDistribution<S>) {
            (
                PPOLoss(
                    distribution, values: values, clip: configuration.clip, valueWeight: configuration.valueWeight,
                    entropyWeight: configuration.entropyWeight, clipsValues: configuration.clipsValues, in: graph), distribution
            )
        }
        if actions.isDiscrete { return loss(graph.categorical(told)) }
        return loss(graph.diagonalGaussian(mean: told, logDeviation: graph.parameter(Self.deviationName)))
    }
}
