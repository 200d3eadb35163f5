import Tensors

/// A named composition of operators with parameters of its own: it says which, how they start, and holds no numbers.
///
/// A layer is called with its input and a graph to record into; it has no backward, for its operators do.
public protocol Layer: Sendable {
    var parameters: [Parameter] { get }

    /// Writes the values that learning starts from into a store that holds these parameters.
    func initialize<S: Scalar>(_ store: ParameterStore<S>, using generator: inout some RandomNumberGenerator)
}

extension Layer {
    /// A layout of this layer's parameters alone.
    public var layout: ParameterLayout { ParameterLayout(parameters) }

    /// A store of its own, with starting values.
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
