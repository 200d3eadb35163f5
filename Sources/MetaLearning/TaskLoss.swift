import Tensors

/// A loss over the examples it was last given: what adapting to a task descends.
///
/// A recorded graph with its inputs: the same composition over `Float` or `Double`, and over dual numbers where second order is wanted.
public protocol TaskLoss<S, Examples>: AnyObject {
    associatedtype S: Scalar
    associatedtype Examples

    /// The numbers it is computed from; whoever adapts writes them.
    var parameters: ParameterStore<S> { get }
    /// d loss / d parameter after `differentiate`, for the parameters that learn.
    var gradients: ParameterStore<S> { get }

    func put(_ examples: Examples)
    /// Runs forward and backward; gives the loss.
    func differentiate() -> S
}

/// What one is told about a task, and what one is asked then.
public struct Episode<Examples> {
    public var support: Examples
    public var query: Examples

    public init(support: Examples, query: Examples) {
        self.support = support
        self.query = query
    }
}

extension Episode: Sendable where Examples: Sendable {}

/// How a task's own parameters begin, where they do not just copy the meta-parameters: a differentiable function of them and of the support.
public protocol TaskStart<S, Examples>: AnyObject {
    associatedtype S: Scalar
    associatedtype Examples

    /// Writes into a task's parameters what differs from the meta-parameters.
    func begin(_ support: Examples, from meta: ParameterStore<S>, into task: ParameterStore<S>)
    /// Turns a gradient with respect to the task's first parameters into one with respect to the meta-parameters of the last `begin`.
    func pullBack(_ gradient: ParameterStore<S>)
}
