import Layers
import Model
import Tensors

/// A language model that decides what to say, token by token, with an estimate beside its head of what each place will come to.
///
/// It stands on a multimodal model that goes on learning: what is the policy's own, and exchanged, is the estimate and either adapters
/// of the trunk or a trunk of its own.
public struct TextPolicy: Layer {
    /// What of the model the policy has for itself.
    public enum Scope: String, Codable, Sendable { case adapters, trunk }

    /// With adapters, where those are what learns; and without.
    let model: MultimodalModel, plain: MultimodalModel
    private let adapters: Adapters?
    private let value: Linear

    /// - Parameter adapters: nil for a trunk of its own.
    /// - Throws: what is wrong with the configuration.
    public init(_ configuration: MultimodalConfiguration, adapters: Adapters?) throws(ConfigurationProblem) {
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

    /// Whether a parameter is the policy's own.
    public func isOwn(_ parameter: Parameter) -> Bool {
        parameter.name.hasPrefix("value_head.") || (adapters == nil ? model.isTrunk(parameter) : Adapters.contains(parameter))
    }

    public var own: ParameterLayout { ParameterLayout(parameters.filter(isOwn)) }

    /// Makes the parameters of the model that the policy stands on those that it writes with.
    public func lay(_ own: ParameterStore<Float>, over model: ParameterStore<Float>) {
        if let adapters { return adapters.merge(own, into: model) }
        for parameter in model.layout.parameters where isOwn(parameter) {
            _ = model[parameter.name].update(fromContentsOf: own[parameter.name])
        }
    }

    /// What a text is expected to come to where the trunk has made `hidden` (C) of what stands before it.
    public func value(of hidden: [Float], _ own: ParameterStore<Float>) -> Double {
        zip(hidden, own["value_head.weight"]).reduce(Double(own["value_head.bias"][0])) { $0 + Double($1.0 * $1.1) }
    }

    /// A policy recorded for so many texts, with so many rows for the tokens of all.
    struct Recording<S: Scalar> {
        let language: MomentLanguage<S>
        /// (rows, V), at a temperature.
        let logits: Tensor<S>
        /// (rows): what follows each token is expected to be worth.
        let values: Tensor<S>
    }

    func record<S>(texts: Int, rows: Int, temperature: Double, in graph: Graph<S>) -> Recording<S> {
        let language = MomentLanguage(model, batch: texts, rows: rows, in: graph)
        return Recording(
            language: language, logits: graph.affine(language.logits, scale: 1 / temperature),
            values: value(language.hidden, in: graph).reshaped([rows]))
    }
}

/// A text as a policy wrote it.
public struct WrittenText: Sendable, Equatable {
    /// What it answers.
    public var moment: MomentInput
    /// The vocabulary's last one where the policy ended the text.
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
    /// What a voice that measures has said to a moment.
    /// - Parameter own: the policy's own numbers, with which it said it.
    public init(_ voice: MomentVoice, of moment: MomentInput, _ policy: TextPolicy, _ own: ParameterStore<Float>) {
        let text = WrittenText(moment: moment, tokens: voice.written, logProbabilities: voice.logProbabilities)
        self.init(
            text: text, logProbability: text.logProbabilities.reduce(0) { $0 + Double($1) }, value: policy.value(of: voice.firstHidden, own)
        )
    }
}
