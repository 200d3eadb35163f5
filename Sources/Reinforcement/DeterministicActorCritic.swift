import Layers
import Tensors

/// The networks of DDPG: a deterministic actor μ and a critic Q.  https://arxiv.org/abs/1509.02971
public struct DeterministicActorCritic: Layer {
    public let inputs: Int
    public let actions: ActionSpace
    private let actor: DenseStack
    private let critic: DenseStack

    public init(inputs: Int, actions: ActionSpace, hidden: [Int]) {
        self.inputs = inputs
        self.actions = actions
        actor = DenseStack("actor", inputs, hidden: hidden, outputs: actions.width, activation: .relu, start: .uniform)
        critic = DenseStack("critic", inputs + actions.width, hidden: hidden, outputs: 1, activation: .relu, start: .uniform)
    }

    public var parameters: [Parameter] { [actor, critic].parameters }

    public func initialize<S: Scalar>(_ store: ParameterStore<S>, using generator: inout some RandomNumberGenerator) {
        [actor, critic].initialize(store, using: &generator)
    }

    static func isActor(_ parameter: Parameter) -> Bool { parameter.name.hasPrefix("actor.") }
    static func isCritic(_ parameter: Parameter) -> Bool { parameter.name.hasPrefix("critic.") }

    /// μ(x): x (rows, inputs); returns (rows, d), each number in −1…1.
    public func act<S>(_ x: Tensor<S>, in graph: Graph<S>) -> Tensor<S> { graph.activate(actor(x, in: graph), .tanh) }

    /// Q(x, a): x (rows, inputs), actions (rows, d) in −1…1; returns (rows).
    public func evaluate<S>(_ x: Tensor<S>, _ actions: Tensor<S>, in graph: Graph<S>) -> Tensor<S> {
        critic(graph.concatenateColumns([x, actions]), in: graph).reshaped([x.rows])
    }

    /// The critic's loss: mean((Q(x, a) − target)²).
    public func criticLoss<S>(_ x: Tensor<S>, _ actions: Tensor<S>, targets: Tensor<S>, in graph: Graph<S>) -> Tensor<S> {
        graph.meanSquaredError(evaluate(x, actions, in: graph), targets)
    }

    /// The actor's loss: −mean(Q(x, μ(x))).
    public func actorLoss<S>(_ x: Tensor<S>, in graph: Graph<S>) -> Tensor<S> {
        graph.affine(graph.mean(evaluate(x, act(x, in: graph), in: graph)), scale: -1)
    }
}
