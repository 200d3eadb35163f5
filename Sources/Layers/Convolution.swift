import Tensors

/// A two-dimensional convolution, computed as a matrix product over unfolded windows; with a window of height 1 a one-dimensional one.
public struct Convolution: Layer {
    public let window: Window
    private let linear: Linear

    /// The weight is initialised normally with deviation √(2 / fan-in).  https://arxiv.org/abs/1502.01852
    public init(_ name: String, channels: Int, outputs: Int, window: Window) {
        let inputs = window.height * window.width * channels
        self.window = window
        linear = Linear(name, inputs, outputs, deviation: (2 / Double(inputs)).squareRoot())
    }

    public var parameters: [Parameter] { linear.parameters }

    public func initialize<S: Scalar>(_ store: ParameterStore<S>, using generator: inout some RandomNumberGenerator) {
        linear.initialize(store, using: &generator)
    }

    /// x (B, height, width, channels); returns (B, rows, columns, outputs).
    public func callAsFunction<S>(_ x: Tensor<S>, in graph: Graph<S>) -> Tensor<S> {
        let (rows, columns) = (window.rows(of: x.shape[1]), window.columns(of: x.shape[2]))
        let y = linear(graph.unfold(x, window), in: graph)
        return y.reshaped([x.shape[0], rows, columns, linear.outputs])
    }
}
