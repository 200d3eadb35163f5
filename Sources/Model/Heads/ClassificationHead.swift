import Layers
import Tensors

/// A linear layer to class logits. Its initial weights are small, so that all classes are about equally likely at first.
public struct ClassificationHead: Composite {
    private let linear: Linear

    public init(_ name: String, _ inputs: Int, classes: Int) {
        linear = Linear(name, inputs, classes)
    }

    public var parts: [any Layer] { [linear] }

    /// Class logits. x (rows, inputs); gives (rows, classes).
    public func callAsFunction<S>(_ x: Tensor<S>, in graph: Graph<S>) -> Tensor<S> { linear(x, in: graph) }
}
