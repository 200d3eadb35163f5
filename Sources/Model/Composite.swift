import Layers
import Tensors

/// A layer that is made of others and has no parameters beside theirs.
public protocol Composite: Layer {
    /// In the order in which their parameters lie.
    var parts: [any Layer] { get }
}

extension Composite {
    public var parameters: [Parameter] { parts.flatMap(\.parameters) }

    public func initialize<S: Scalar>(_ store: ParameterStore<S>, using generator: inout some RandomNumberGenerator) {
        for part in parts { part.initialize(store, using: &generator) }
    }
}

extension Linear {
    /// A projection that keeps inputs of unit size at unit size: it starts with deviation 1/√inputs.
    static func even(_ name: String, _ inputs: Int, _ outputs: Int, bias: Bool = true) -> Linear {
        Linear(name, inputs, outputs, bias: bias, deviation: 1 / Double(inputs).squareRoot())
    }
}
