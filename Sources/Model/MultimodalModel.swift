import Layers
import Statistics
import Tensors
import Tokenization

/// A multimodal model of encoders, a fusion, heads and a language trunk. It describes the model and holds no numbers.
///
/// Classification: every modality's encoder → tokens → fusion → head. Language: the senses' tokens, processed by the fusion, are a
/// prefix of the text's tokens in the trunk, which predicts the next token. The trunk is a GPT-2 of our own, whose positions count
/// only the text, or a pretrained model of any family, whose matrices may stay as they are stored while adapters beside them learn.
public struct MultimodalModel: Composite {
    /// The model's shape.
    public let configuration: MultimodalConfiguration
    let senses: [any SenseEncoder]
    let words: WordEncoder
    let perceptions: [Perception]
    let fusion: any Fusion
    /// The language trunk.
    public let trunk: any Trunk
    /// The files of a pretrained trunk; nil for one of our own.
    let files: TrunkFiles?
    private let frozen: [String: any FrozenMatrix]

    /// - Parameters:
    ///   - configuration: the model's shape.
    ///   - adapters: low-rank adapters of some projections of a trunk of our own; those of a pretrained one are in the configuration.
    /// - Throws: `SettingsError`, if a setting is invalid or the files of a pretrained trunk cannot be opened.
    public init(_ configuration: MultimodalConfiguration, adapters: Adapters? = nil) throws(SettingsError) {
        try configuration.validate()
        var whole = configuration
        if configuration.isPretrained {
            do {
                let opened = try TrunkFiles(path: configuration.trunk)
                if let problem = configuration.problem(with: opened.trunk) { throw problem }
                if whole.text.turns == nil {
                    whole.text.turns = try TurnTokens(
                        path: configuration.trunk, tokenizer: openTokenizer(path: configuration.trunk),
                        vocabularySize: opened.trunk.vocabularySize)
                }
                frozen = try opened.frozen(WeightStorage(rawValue: configuration.storage) ?? .float32)
                trunk = opened.trunk.adapted(by: configuration.adapters(of: opened.trunk))
                files = opened
            } catch let error as SettingsError {
                throw error
            } catch {
                throw SettingsError("trunk", "\(error)")
            }
        } else {
            trunk = GPT2(configuration.ownTrunk, adapters: adapters)
            (files, frozen) = (nil, [:])
        }
        self.configuration = whole
        senses = configuration.senses.map { encoder("encoder.\($0.name)", of: $0, for: configuration) }
        words = WordEncoder("encoder.text", for: configuration)
        perceptions = configuration.modalities.map { Perception($0, configuration) }
        fusion = configuration.makeFusion()
    }

    private var ownParts: [any Layer] { senses + [words] + perceptions + [fusion] }
    public var parts: [any Layer] { ownParts + [trunk] }

    public var layout: ParameterLayout { ParameterLayout(parameters, frozen: frozen) }

    /// Writes initial values. Those of a pretrained trunk are its adapters'; `loadTrunk` reads the rest.
    public func initialize<S: Scalar>(_ store: ParameterStore<S>, using generator: inout some RandomNumberGenerator) {
        for part in ownParts { part.initialize(store, using: &generator) }
        guard files != nil else { return trunk.initialize(store, using: &generator) }
        configuration.adapters(of: trunk)?.initialize(in: store, using: &generator)
    }

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
