import Layers
import Model
import Tensors

/// A language model that decides token by token, with an estimate of what each place will come to beside its head.
public struct TextPolicy: Layer {
    public let model: GPT2
    private let value: Linear

    /// - Parameter adapters: where only they, and the value's head, are to learn.
    public init(_ configuration: GPT2Configuration, adapters: Adapters? = nil) {
        model = GPT2(configuration, adapters: adapters)
        value = Linear("value_head", configuration.width, 1, deviation: 0.01)
    }

    public var parameters: [Parameter] { model.parameters + value.parameters }

    public func initialize<S: Scalar>(_ store: ParameterStore<S>, using generator: inout some RandomNumberGenerator) {
        model.initialize(store, using: &generator)
        value.initialize(store, using: &generator)
    }

    /// A policy recorded for so many texts of so many tokens.
    struct Recording<S: Scalar> {
        /// (texts·time)
        let ids: Indices
        /// (texts·time, V)
        let logits: Tensor<S>
        /// (texts·time): what follows each token is expected to be worth.
        let values: Tensor<S>
    }

    func record<S>(texts: Int, time: Int, in graph: Graph<S>) -> Recording<S> {
        let language = model.languageModel(batch: texts, time: time, in: graph)
        return Recording(ids: language.ids, logits: language.logits, values: value(language.hidden, in: graph).reshaped([texts * time]))
    }
}
