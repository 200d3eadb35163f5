import Layers
import Statistics
import Tensors

/// A multilayer perceptron with ReLU between its layers: features to logits. Without hidden layers it is logistic regression.
public struct ClassifierNetwork: Layer {
    /// The numbers of features, of units of each hidden layer, and of classes.
    public let widths: [Int]
    private let linears: [Linear]

    /// - Parameters:
    ///   - features: the number of inputs.
    ///   - hidden: the number of units of each hidden layer.
    ///   - classes: the number of outputs.
    public init(features: Int, hidden: [Int], classes: Int) {
        widths = [features] + hidden + [classes]
        // The same names as in a multimodal model, so that the same names choose which parameters learn.
        linears = zip(widths, widths.dropFirst()).enumerated().map { index, layer in
            Linear(index == hidden.count ? "head" : "h.\(index)", layer.0, layer.1)
        }
    }

    /// The number of inputs.
    public var features: Int { widths[0] }
    /// The number of outputs.
    public var classes: Int { widths[widths.count - 1] }
    public var parameters: [Parameter] { linears.flatMap(\.parameters) }

    /// Uniform in ±1/√inputs, as PyTorch initialises a linear layer.
    public func initialize<S: Scalar>(_ store: ParameterStore<S>, using generator: inout some RandomNumberGenerator) {
        for linear in linears {
            let bound = 1 / Double(linear.inputs).squareRoot()
            for parameter in linear.parameters {
                let values = store[parameter.name]
                for place in values.indices { values[place] = S(Double.random(in: -bound..<bound, using: &generator)) }
            }
        }
    }

    /// Class logits. x (rows, features); gives (rows, classes).
    public func callAsFunction<S>(_ x: Tensor<S>, in graph: Graph<S>) -> Tensor<S> {
        var y = x
        for (index, linear) in linears.enumerated() {
            if index > 0 { y = graph.activate(y, .relu) }
            y = linear(y, in: graph)
        }
        return y
    }
}
