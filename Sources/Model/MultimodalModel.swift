import Layers
import Statistics
import Tensors

/// A multimodal model of encoders, a fusion, heads and a language trunk. It describes the model and holds no numbers.
///
/// Classification: every modality's encoder → tokens → fusion → head. Language: the senses' tokens, processed by the fusion, are a
/// prefix of the text's tokens in a GPT-2 trunk, which predicts the next token. The trunk's parameters have GPT-2's names and its
/// positions count only the text, so that a pretrained GPT-2 of the same shape can be loaded.
public struct MultimodalModel: Composite {
    /// The model's shape.
    public let configuration: MultimodalConfiguration
    let senses: [any SenseEncoder]
    let words: WordEncoder
    let perceptions: [Perception]
    let fusion: any Fusion
    /// The language trunk.
    public let trunk: GPT2

    /// - Parameters:
    ///   - configuration: the model's shape.
    ///   - adapters: low-rank adapters of some of the trunk's projections.
    /// - Throws: `SettingsError`, if a setting is invalid.
    public init(_ configuration: MultimodalConfiguration, adapters: Adapters? = nil) throws(SettingsError) {
        try configuration.validate()
        self.configuration = configuration
        senses = configuration.senses.map { encoder("encoder.\($0.name)", of: $0, for: configuration) }
        words = WordEncoder("encoder.text", for: configuration)
        perceptions = configuration.modalities.map { Perception($0, configuration) }
        fusion = configuration.makeFusion()
        trunk = GPT2(configuration.trunk, adapters: adapters)
    }

    public var parts: [any Layer] { senses + [words] + perceptions + [fusion, trunk] }

    /// A store with random initial values.
    public func initialStore(using generator: inout some RandomNumberGenerator) -> ParameterStore<Float> {
        initialStore(of: Float.self, using: &generator)
    }
}

/// Turns an encoder's output into a percept: normalised tokens to which age and validity are added, and class logits of its own.
struct Perception: Composite {
    private let norm: LayerNorm
    private let condition: Linear
    private let expert: ClassificationHead
    private let width: Int, tokens: Int

    init(_ modality: String, _ configuration: MultimodalConfiguration) {
        (width, tokens) = (configuration.width, configuration.tokens)
        norm = LayerNorm("encoder.\(modality).norm", width)
        condition = Linear("encoder.\(modality).condition", Self.conditions, tokens * width, bias: false)
        expert = ClassificationHead("expert.\(modality)", tokens * width, classes: configuration.classes)
    }

    var parts: [any Layer] { [norm, condition, expert] }

    /// Age and validity as inputs, ln(1 + age) and 1 − validity: both 0 for a fully valid reading of age 0.
    static let conditions = 2
    static func conditions(age: Float, validity: Float) -> (Float, Float) {
        (Float.log(1 + max(0, age)), 1 - min(1, max(0, validity)))
    }

    /// encoded (batch, tokens·width), condition (batch, 2), present (batch), tokensPresent (batch·tokens).
    func callAsFunction<S>(
        _ encoded: Tensor<S>, condition: Tensor<S>, present: Tensor<S>, tokensPresent: Tensor<S>, in graph: Graph<S>
    ) -> Percept<S> {
        let batch = present.count
        let plain = norm(encoded.reshaped([batch * tokens, width]), in: graph)
        let known = graph.add(plain, self.condition(condition, in: graph).reshaped(plain.shape))
        return Percept(
            tokens: known, present: present, tokensPresent: tokensPresent,
            opinion: expert(known.reshaped([batch, tokens * width]), in: graph))
    }
}
