import Statistics
import Tensors

/// Answers a moment in words, a token at a time: what the senses perceive stands before what was said, and the language
/// trunk goes on from there.
///
///     voice.begin(moment, with: parameters, seed: 1)
///     while let token = voice.next() { … }
///
/// It copies the parameters it begins with, so whatever becomes of them meanwhile, its cache holds keys and values of one
/// version. A voice has one owner: it is not `Sendable`.
public final class MomentVoice {
    public let configuration: MultimodalConfiguration
    public let sampling: Sampling
    public let maximumTokens: Int
    /// Why the answer ended; nil while it goes on, and before the first.
    public private(set) var end: Generation.End?
    /// Whether `next` has more to say.
    public private(set) var isSpeaking = false
    /// Whether the answer broke off because a logit was not finite.
    public private(set) var isBroken = false
    /// What was said and what is answered so far, after the token that opens every text.
    public private(set) var tokens: [Int] = []
    /// ln of the probability, at the sampling's temperature, of every token of the answer, that which ended it among them; empty unless `measures`.
    public private(set) var logProbabilities: [Float] = []
    /// (C): what the trunk made of the moment before the answer's first token; empty unless `measures`.
    public private(set) var firstHidden: [Float] = []
    /// Whether it notes how likely its tokens were; that they are all drawn from, nothing cut off, is for the sampling to say.
    public let measures: Bool

    /// The answer so far, with the token that ended it.
    public var written: [Int] { tokens[promptLength...] + (end == .endOfText ? [configuration.text.vocabulary - 1] : []) }

    private let parameters: ParameterStore<Float>
    private let graph: Graph<Float>
    private let inputs: MultimodalInputs<Float>
    /// (senses·tokens, C); nil where the model has no sense beside the text.
    private let prefix: Tensor<Float>?
    private let decoder: TextDecoder
    private var promptLength = 0
    private var random = RandomSource(seed: 0)

    public init(_ model: MultimodalModel, sampling: Sampling, maximumTokens: Int, measures: Bool = false) {
        self.measures = measures
        configuration = model.configuration
        self.sampling = sampling
        self.maximumTokens = maximumTokens
        parameters = ParameterStore(model.layout)
        graph = .predicting(parameters: parameters)
        inputs = MultimodalInputs(configuration, batch: 1, languageRows: 1, in: graph)
        let percepts = model.percepts(inputs, in: graph)
        prefix = percepts.count == 1 ? nil : model.fusion.condition(Array(percepts.dropLast()), in: graph)
        decoder = TextDecoder(model.trunk, parameters, prefixLimit: configuration.prefixLength)
    }

    /// Begins an answer to a moment that the configuration accepts; one under way is forgotten.
    /// - Parameter changing: what to change about its copy of the parameters.
    public func begin(
        _ moment: MomentInput, with parameters: ParameterStore<Float>, seed: UInt64, changing: (ParameterStore<Float>) -> Void = { _ in }
    ) {
        self.parameters.assign(from: parameters)
        changing(self.parameters)
        inputs.set(moment, row: 0, hiding: [], turns: [])
        let opening = configuration.text.vocabulary - 1
        tokens = [opening] + moment.text
        promptLength = tokens.count
        random = RandomSource(seed: seed)
        isBroken = false
        (logProbabilities, firstHidden) = ([], [])
        end = nil
        // The last place tells one more token.
        if tokens.count > configuration.text.length { end = .context } else if maximumTokens == 0 { end = .length }
        isSpeaking = end == nil
        if isSpeaking { readAgain() }
    }

    /// Goes on with other parameters: senses and words are read again, so the cache is of the new version alone.
    public func adopt(_ parameters: ParameterStore<Float>, changing: (ParameterStore<Float>) -> Void = { _ in }) {
        self.parameters.assign(from: parameters)
        changing(self.parameters)
        if isSpeaking { readAgain() }
    }

    /// The answer's next token; nil where it has ended.
    public func next() -> Int? {
        guard isSpeaking, let last = tokens.last else { return nil }
        decoder.advance([last])
        guard let token = sampling.token(from: decoder.logits(of: 0), after: tokens, using: &random) else {
            isBroken = true
            isSpeaking = false
            return nil
        }
        if measures {
            if logProbabilities.isEmpty { firstHidden = decoder.hidden(of: 0) }
            logProbabilities.append(logProbability(of: token))
        }
        if token == configuration.text.vocabulary - 1 {
            end = .endOfText
        } else {
            tokens.append(token)
            if tokens.count - promptLength >= maximumTokens {
                end = .length
            } else if tokens.count > configuration.text.length {
                end = .context
            }
        }
        isSpeaking = end == nil
        return end == .endOfText ? nil : token
    }

    /// x/τ − ln Σ e^(x/τ)
    private func logProbability(of token: Int) -> Float {
        let logits = decoder.logits(of: 0), temperature = Float(max(sampling.temperature, 1e-6))
        let peak = logits.max() ?? 0
        return (logits[token] - peak) / temperature - Float.log(logits.reduce(0) { $0 + Float.exp(($1 - peak) / temperature) })
    }

    /// The logits of what follows the moment's words, for whoever compares them: (V).
    func firstLogits(_ moment: MomentInput, with parameters: ParameterStore<Float>) -> [Float] {
        begin(moment, with: parameters, seed: 0)
        decoder.advance([tokens.last])
        return Array(decoder.logits(of: 0))
    }

    /// A modality that is not there has no place in the cache: the trunk's mask hides it from everything.
    private func readAgain() {
        graph.forward()
        decoder.forget(0)
        let length = configuration.tokens * configuration.width
        let present = configuration.senses.indices.filter { inputs.modalities[$0].present.values[0] > 0 }
        if let prefix { decoder.read(prefix: present.flatMap { prefix.values[$0 * length..<($0 + 1) * length] }, stream: 0) }
        decoder.read(tokens.dropLast(), stream: 0)
    }
}
