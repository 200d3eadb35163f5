import Layers
import Tensors

/// Logits of classes. Its weights start small, so that learning starts from even odds.
public struct ClassificationHead: Composite {
    private let linear: Linear

    public init(_ name: String, _ inputs: Int, classes: Int) {
        linear = Linear(name, inputs, classes)
    }

    public var parts: [any Layer] { [linear] }

    /// x (rows, inputs); gives (rows, classes).
    public func callAsFunction<S>(_ x: Tensor<S>, in graph: Graph<S>) -> Tensor<S> { linear(x, in: graph) }
}
