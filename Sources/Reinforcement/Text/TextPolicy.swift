import Layers
import Model
import Statistics
import Tensors

/// A language model as a policy that decides on the tokens of a text, with a value head that estimates the reward at each token.
///
/// It is based on a multimodal model that goes on learning from moments. The policy's own parameters, which are learned from rewards and
/// published, are the value head and either adapters of the trunk or a separate trunk.
public struct TextPolicy: Layer {
    /// The policy's own part of the model.
    public enum Scope: String, Codable, Sendable { case adapters, trunk }

    /// The model with adapters, if there are any, and without.
    let model: MultimodalModel, plain: MultimodalModel
    private let adapters: Adapters?
    private let value: Linear

    /// - Parameters:
    ///   - configuration: that of the base model.
    ///   - adapters: nil for a separate trunk.
    /// - Throws: a problem of the configuration.
    public init(_ configuration: MultimodalConfiguration, adapters: Adapters?) throws(SettingsError) {
        plain = try MultimodalModel(configuration)
        model = try MultimodalModel(configuration, adapters: adapters)
        self.adapters = adapters
        value = Linear("value_head", configuration.width, 1, deviation: 0.01)
    }

    public var parameters: [Parameter] { model.parameters + value.parameters }

    public func initialize<S: Scalar>(_ store: ParameterStore<S>, using generator: inout some RandomNumberGenerator) {
        model.initialize(store, using: &generator)
        value.initialize(store, using: &generator)
    }

    /// Whether a parameter is one of the policy's own.
    public func isOwn(_ parameter: Parameter) -> Bool {
        parameter.name.hasPrefix("value_head.") || (adapters == nil ? model.isTrunk(parameter) : Adapters.contains(parameter))
    }

    /// The layout of the policy's own parameters.
    public var own: ParameterLayout { ParameterLayout(parameters.filter(isOwn)) }

    /// Applies the policy to the base model: changes the parameters `model` of the base model to those that the policy writes with.
    public func apply(_ own: ParameterStore<Float>, to model: ParameterStore<Float>) {
        if let adapters { return adapters.merge(own, into: model) }
        for parameter in model.layout.parameters where isOwn(parameter) {
            _ = model[parameter.name].update(fromContentsOf: own[parameter.name])
        }
    }

    /// The value head's estimate of the reward of a text.
    /// - Parameters:
    ///   - hidden: (C), the trunk's output at the current position.
    ///   - own: the policy's own parameters.
    public func value(of hidden: [Float], _ own: ParameterStore<Float>) -> Double {
        zip(hidden, own["value_head.weight"]).reduce(Double(own["value_head.bias"][0])) { $0 + Double($1.0 * $1.1) }
    }

    /// A policy recorded for a batch of texts, with `rows` rows for the tokens of all of them.
    struct Recording<S: Scalar> {
        let language: MomentLanguage<S>
        /// (rows, V), divided by the temperature.
        let logits: Tensor<S>
        /// (rows): the value estimates.
        let values: Tensor<S>
    }

    func record<S>(texts: Int, rows: Int, temperature: Double, in graph: Graph<S>) -> Recording<S> {
        let language = MomentLanguage(model, batch: texts, rows: rows, in: graph)
        return Recording(
            language: language, logits: graph.affine(language.logits, scale: 1 / temperature),
            values: value(language.hidden, in: graph).reshaped([rows]))
    }
}

/// A text written by a policy.
public struct WrittenText: Sendable, Equatable {
    /// The moment that it answers.
    public var moment: MomentInput
    /// The tokens; the vocabulary's last token if the policy ended the text.
    public var tokens: [Int]
    /// ln of each token's probability when it was drawn.
    public var logProbabilities: [Float]

    public init(moment: MomentInput, tokens: [Int], logProbabilities: [Float]) {
        self.moment = moment
        self.tokens = tokens
        self.logProbabilities = logProbabilities
    }
}

extension Decision {
    /// The decision of a decoder that has written an answer to a moment and recorded log-probabilities.
    /// - Parameters:
    ///   - decoder: the decoder.
    ///   - moment: the moment.
    ///   - policy: the policy.
    ///   - own: the policy's own parameters, with which the answer was written.
    public init(_ decoder: MomentDecoder, of moment: MomentInput, _ policy: TextPolicy, _ own: ParameterStore<Float>) {
        let text = WrittenText(moment: moment, tokens: decoder.written, logProbabilities: decoder.logProbabilities)
        self.init(
            text: text, logProbability: text.logProbabilities.reduce(0) { $0 + Double($1) },
            value: policy.value(of: decoder.firstHidden, own))
    }
}
