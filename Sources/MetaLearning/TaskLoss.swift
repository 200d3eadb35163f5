import Tensors

/// The loss of a task over a set of examples, minimised when a model adapts to the task.
///
/// It is a recorded graph with its inputs: the same composition over `Float` or `Double`, and over dual numbers for second derivatives.
public protocol TaskLoss<S, Examples>: AnyObject {
    associatedtype S: Scalar
    associatedtype Examples

    /// The parameters of the loss, which are written by the code that adapts.
    var parameters: ParameterStore<S> { get }
    /// d loss / d parameter after `differentiate`, for the learned parameters.
    var gradients: ParameterStore<S> { get }

    /// Sets the examples.
    func put(_ examples: Examples)
    /// Runs forward and backward; returns the loss.
    func differentiate() -> S
}

/// A task of meta-learning: examples to adapt to, and examples to evaluate the adapted model on.
public struct Episode<Examples> {
    /// The examples to adapt to.
    public var support: Examples
    /// The examples to evaluate on.
    public var query: Examples

    public init(support: Examples, query: Examples) {
        self.support = support
        self.query = query
    }
}

extension Episode: Sendable where Examples: Sendable {}

/// The initial parameters of a task as a differentiable function of the meta-parameters and the support, where they are not simply a copy
/// of the meta-parameters.
public protocol TaskStart<S, Examples>: AnyObject {
    associatedtype S: Scalar
    associatedtype Examples

    /// Computes the initial parameters that differ from the meta-parameters, and writes them to `task`.
    func begin(_ support: Examples, from meta: ParameterStore<S>, into task: ParameterStore<S>)
    /// Converts a gradient with respect to the task's initial parameters, in place, to one with respect to the meta-parameters of the last
    /// call of `begin`.
    func pullBack(_ gradient: ParameterStore<S>)
}
