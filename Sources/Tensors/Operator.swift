/// One node of a recorded graph: a fused piece of arithmetic bound to memory, with its forward and backward side by side.
///
/// The graph's team calls `forward` (or `backward`) once for every share, all at the same time, and goes on to the next operator
/// when all are done. So a share writes only what no other share writes.
public protocol Operator<S> {
    associatedtype S: Scalar

    /// What it reads and differentiates, in the order in which `backward` writes their gradients.
    var inputs: [Input<S>] { get }
    var outputs: [Tensor<S>] { get }

    /// Computes the outputs.
    func forward(_ share: Share)
    /// Adds to, or where it is the first writes, the gradients of inputs, from those of the outputs.
    func backward(_ share: Share)
}

/// A tensor as one operator reads it.
public final class Input<S: Scalar> {
    public let tensor: Tensor<S>
    /// Whether `backward` touches every number of the gradient; if not, the graph zeroes it beforehand.
    let coversAll: Bool
    /// Whether something later in the graph has already written this gradient: then `backward` adds to it.
    public internal(set) var accumulates = false

    public init(_ tensor: Tensor<S>, coversAll: Bool = true) {
        self.tensor = tensor
        self.coversAll = coversAll
    }

    public var count: Int { tensor.count }
    @inline(__always) public var values: UnsafeMutablePointer<S> { tensor.storage.values }
    /// Nil where nothing beneath learns: then that arithmetic is left out.
    @inline(__always) public var gradient: UnsafeMutablePointer<S>? { tensor.storage.gradient }
    /// β of a matrix product that adds to the gradient.
    @inline(__always) var beta: S { S(accumulates ? 1 : 0) }
}
