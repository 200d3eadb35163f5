import Layers
import Statistics
import Tensors

/// A multilayer perceptron with ReLU between its layers: features to logits. Without hidden layers it is logistic regression.
public struct ClassifierNetwork: Layer {
    /// Of the features, the hidden layers and the classes.
    public let widths: [Int]
    private let linears: [Linear]

    public init(features: Int, hidden: [Int], classes: Int) {
        widths = [features] + hidden + [classes]
        // Called as the parts of a model of moments are, so that what may learn is chosen by the same names.
        linears = zip(widths, widths.dropFirst()).enumerated().map { index, layer in
            Linear(index == hidden.count ? "head" : "h.\(index)", layer.0, layer.1)
        }
    }

    public var features: Int { widths[0] }
    public var classes: Int { widths[widths.count - 1] }
    public var parameters: [Parameter] { linears.flatMap(\.parameters) }

    /// Uniform in ±1/√inputs, as PyTorch starts a linear layer.
    public func initialize<S: Scalar>(_ store: ParameterStore<S>, using generator: inout some RandomNumberGenerator) {
        for linear in linears {
            let bound = 1 / Double(linear.inputs).squareRoot()
            for parameter in linear.parameters {
                let values = store[parameter.name]
                for place in values.indices { values[place] = S(Double.random(in: -bound..<bound, using: &generator)) }
            }
        }
    }

    /// x (rows, features); gives logits (rows, classes).
    public func callAsFunction<S>(_ x: Tensor<S>, in graph: Graph<S>) -> Tensor<S> {
        var y = x
        for (index, linear) in linears.enumerated() {
            if index > 0 { y = graph.activate(y, .relu) }
            y = linear(y, in: graph)
        }
        return y
    }
}
