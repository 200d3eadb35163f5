import Layers
import Tensors

/// An action for every observation, and what the pair is worth.  https://arxiv.org/abs/1509.02971
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

    /// x (rows, inputs); gives (rows, d), each within −1 … 1.
    public func act<S>(_ x: Tensor<S>, in graph: Graph<S>) -> Tensor<S> { graph.activate(actor(x, in: graph), .tanh) }

    /// x (rows, inputs), actions (rows, d) within −1 … 1; gives (rows).
    public func judge<S>(_ x: Tensor<S>, _ actions: Tensor<S>, in graph: Graph<S>) -> Tensor<S> {
        critic(graph.concatenateColumns([x, actions]), in: graph).reshaped([x.rows])
    }

    /// mean((Q(x, a) − target)²): what the critic minimises.
    public func criticLoss<S>(_ x: Tensor<S>, _ actions: Tensor<S>, targets: Tensor<S>, in graph: Graph<S>) -> Tensor<S> {
        graph.meanSquaredError(judge(x, actions, in: graph), targets)
    }

    /// −mean(Q(x, μ(x))): what the actor minimises.
    public func actorLoss<S>(_ x: Tensor<S>, in graph: Graph<S>) -> Tensor<S> {
        graph.affine(graph.mean(judge(x, act(x, in: graph), in: graph)), scale: -1)
    }
}
