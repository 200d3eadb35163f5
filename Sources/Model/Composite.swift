import Layers
import Tensors

/// A layer that consists of other layers and has no parameters of its own.
public protocol Composite: Layer {
    /// The layers, in the order of their parameters.
    var parts: [any Layer] { get }
}

extension Composite {
    public var parameters: [Parameter] { parts.flatMap(\.parameters) }

    public func initialize<S: Scalar>(_ store: ParameterStore<S>, using generator: inout some RandomNumberGenerator) {
        for part in parts { part.initialize(store, using: &generator) }
    }
}

extension Linear {
    /// A projection of which inputs of unit variance have outputs of unit variance: its initial deviation is 1/√inputs.
    static func unitScaled(_ name: String, _ inputs: Int, _ outputs: Int, bias: Bool = true) -> Linear {
        Linear(name, inputs, outputs, bias: bias, deviation: 1 / Double(inputs).squareRoot())
    }
}
