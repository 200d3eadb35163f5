/// One node of a recorded graph: an arithmetic operation bound to its memory, with its forward and backward passes.
///
/// The graph's team calls `forward` (or `backward`) once for every share, concurrently, and continues with the next operator
/// when all shares are done. So a share must write only memory that no other share writes.
public protocol Operator<S> {
    associatedtype S: Scalar

    /// The tensors it reads and differentiates, in the order in which `backward` writes their gradients.
    var inputs: [Input<S>] { get }
    /// The tensors it computes.
    var outputs: [Tensor<S>] { get }

    /// Computes a share of the outputs.
    func forward(_ share: Share)
    /// Computes a share of the inputs' gradients from the outputs' gradients: writes them, or adds to them where
    /// `Input.accumulates` is true.
    func backward(_ share: Share)
}

/// A tensor as the input of one operator.
public final class Input<S: Scalar> {
    /// The tensor that is read.
    public let tensor: Tensor<S>
    /// Whether `backward` touches every number of the gradient; if not, the graph zeroes it beforehand.
    let coversAll: Bool
    /// Whether an operator later in the graph has already written this gradient, so that `backward` adds to it.
    public internal(set) var accumulates = false

    /// - Parameters:
    ///   - tensor: the tensor that is read.
    ///   - coversAll: whether `backward` writes every number of its gradient.
    public init(_ tensor: Tensor<S>, coversAll: Bool = true) {
        self.tensor = tensor
        self.coversAll = coversAll
    }

    /// Numbers in use.
    public var count: Int { tensor.count }
    /// The tensor's numbers.
    @inline(__always) public var values: UnsafeMutablePointer<S> { tensor.storage.values }
    /// The tensor's gradient; nil if the tensor depends on nothing that learns, and the operator skips that arithmetic.
    @inline(__always) public var gradient: UnsafeMutablePointer<S>? { tensor.storage.gradient }
    /// β of a matrix product that adds to the gradient.
    @inline(__always) var beta: S { S(accumulates ? 1 : 0) }
}
