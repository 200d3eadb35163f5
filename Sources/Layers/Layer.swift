import Tensors

/// A composition of operators with named parameters. It describes the parameters and their initial values, and holds no numbers.
///
/// A layer is called with its input and the graph to record into. It has no backward pass of its own: its operators have.
public protocol Layer: Sendable {
    var parameters: [Parameter] { get }

    /// A layout of this layer's parameters alone.
    var layout: ParameterLayout { get }

    /// Writes initial values into a store that contains these parameters.
    func initialize<S: Scalar>(_ store: ParameterStore<S>, using generator: inout some RandomNumberGenerator)
}

extension Layer {
    public var layout: ParameterLayout { ParameterLayout(parameters) }

    /// A new store of this layer's parameters with initial values.
    public func initialStore<S: Scalar>(
        of scalar: S.Type = S.self, using generator: inout some RandomNumberGenerator
    ) -> ParameterStore<S> {
        let store = ParameterStore<S>(layout)
        initialize(store, using: &generator)
        return store
    }
}

extension Array: Layer where Element: Layer {
    public var parameters: [Parameter] { flatMap(\.parameters) }

    public func initialize<S: Scalar>(_ store: ParameterStore<S>, using generator: inout some RandomNumberGenerator) {
        for layer in self { layer.initialize(store, using: &generator) }
    }
}
