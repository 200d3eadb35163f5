import Statistics
import Tensors

/// Generates a text answer to a moment, token by token: the language trunk reads the senses' prefix tokens and the moment's text,
/// and continues from there.
///
///     decoder.begin(moment, with: parameters, seed: 1)
///     while let token = decoder.next() { … }
///
/// It copies the parameters at `begin`, so its cache holds keys and values of one version even if they change. A decoder has one
/// owner: it is not `Sendable`.
public final class MomentDecoder {
    /// The model's shape.
    public let configuration: MultimodalConfiguration
    /// How tokens are drawn, and the maximal number of tokens, of answers that say nothing else.
    private let usual: (sampling: Sampling, maximumTokens: Int)
    /// How the tokens of the answer are drawn.
    public private(set) var sampling: Sampling
    /// The maximal number of tokens of the answer.
    public private(set) var maximumTokens: Int
    /// Why the answer ended; nil while it continues, and before the first.
    public private(set) var end: Generation.End?
    /// Whether the answer continues.
    public private(set) var isGenerating = false
    /// Whether the answer was aborted because a logit was not finite.
    public private(set) var hasFailed = false
    /// The opening tokens, the moment's text, those that begin the answer, and the answer so far.
    public private(set) var tokens: [Int] = []
    /// The log-probability, at the sampling's temperature, of every token of the answer, including the end token; empty unless
    /// `measures`.
    public private(set) var logProbabilities: [Float] = []
    /// (C): the trunk's output before the answer's first token; empty unless `measures`.
    public private(set) var firstHidden: [Float] = []
    /// Whether log-probabilities are recorded. They are those of the whole distribution, so the sampling must not truncate it.
    public let measures: Bool

    /// Changes the logits, (V), of the token that follows those written.
    public typealias Mixing = (_ logits: UnsafeMutableBufferPointer<Float>, _ written: ArraySlice<Int>) -> Void

    /// The layout of the model's parameters.
    public var layout: ParameterLayout { parameters.layout }
    /// The number of tokens before the answer: the opening ones, the moment's text, and those that begin the answer.
    public private(set) var promptLength = 0

    /// The answer so far, including the end token.
    public var written: [Int] { tokens[promptLength...] + (end == .endOfText ? [configuration.turns.end] : []) }

    private let parameters: ParameterStore<Float>
    private let graph: Graph<Float>
    private let inputs: MultimodalInputs<Float>
    /// (senses·tokens, C); nil if the model has no sense besides the text.
    private let prefix: Tensor<Float>?
    private let decoder: TextDecoder
    /// Changes the logits before a token is drawn.
    private var mixing: Mixing?
    private var random = RandomSource(seed: 0)

    /// - Parameters:
    ///   - model: the multimodal model.
    ///   - sampling: how tokens are drawn, unless an answer begins with another.
    ///   - maximumTokens: the maximal number of tokens of an answer, likewise.
    ///   - measures: whether to record the tokens' log-probabilities.
    public init(_ model: MultimodalModel, sampling: Sampling, maximumTokens: Int, measures: Bool = false) {
        self.measures = measures
        configuration = model.configuration
        usual = (sampling, maximumTokens)
        (self.sampling, self.maximumTokens) = usual
        parameters = ParameterStore(model.layout)
        graph = .predicting(parameters: parameters)
        inputs = MultimodalInputs(configuration, batch: 1, languageRows: 1, in: graph)
        let percepts = model.percepts(inputs, in: graph)
        prefix = percepts.count == 1 ? nil : model.fusion.condition(Array(percepts.dropLast()), in: graph)
        decoder = TextDecoder(
            model.trunk, parameters, prefixLimit: configuration.prefixLength, precision: parameters.frozen.isEmpty ? .float32 : .stored)
    }

    /// Begins an answer to a moment; an unfinished answer is discarded.
    ///
    /// - Parameters:
    ///   - moment: one that the configuration accepts.
    ///   - parameters: the model's parameters, which are copied.
    ///   - seed: of the random numbers.
    ///   - sampling: how this answer's tokens are drawn; nil as all others'.
    ///   - maximumTokens: the maximal number of this answer's tokens; nil as of all others.
    ///   - changing: changes the copy of the parameters.
    ///   - mixing: changes the logits before each token is drawn; nil for nothing.
    public func begin(
        _ moment: MomentInput, with parameters: ParameterStore<Float>, seed: UInt64, sampling: Sampling? = nil, maximumTokens: Int? = nil,
        changing: (ParameterStore<Float>) -> Void = { _ in }, mixing: Mixing? = nil
    ) {
        self.mixing = mixing
        (self.sampling, self.maximumTokens) = (sampling ?? usual.sampling, maximumTokens ?? usual.maximumTokens)
        self.parameters.assign(from: parameters)
        changing(self.parameters)
        inputs.set(moment, row: 0, hiding: [], shifts: [])
        let turns = configuration.turns
        tokens = turns.opening + moment.text + turns.answering
        promptLength = tokens.count
        random = RandomSource(seed: seed)
        hasFailed = false
        (logProbabilities, firstHidden) = ([], [])
        end = nil
        // The last position predicts one more token.
        if tokens.count > configuration.text.length { end = .context } else if self.maximumTokens == 0 { end = .length }
        isGenerating = end == nil
        if isGenerating { recomputeCache() }
    }

    /// Continues the answer with other parameters: the cache of keys and values is recomputed, so it is of the new version only.
    public func adopt(_ parameters: ParameterStore<Float>, changing: (ParameterStore<Float>) -> Void = { _ in }) {
        self.parameters.assign(from: parameters)
        changing(self.parameters)
        if isGenerating { recomputeCache() }
    }

    /// Ends the answer, because a sequence was found before which it is to end.
    public func stop() {
        (end, isGenerating) = (.stop, false)
    }

    /// Draws the answer's next token; nil if the answer has ended.
    public func next() -> Int? {
        guard isGenerating, let last = tokens.last else { return nil }
        decoder.advance([last])
        mixing?(decoder.logits(of: 0), tokens[promptLength...])
        guard let token = sampling.token(from: decoder.logits(of: 0), after: tokens, using: &random) else {
            hasFailed = true
            isGenerating = false
            return nil
        }
        if measures {
            if logProbabilities.isEmpty { firstHidden = decoder.hidden(of: 0) }
            logProbabilities.append(logProbability(of: token))
        }
        if token == configuration.turns.end {
            end = .endOfText
        } else {
            tokens.append(token)
            if tokens.count - promptLength >= maximumTokens {
                end = .length
            } else if tokens.count > configuration.text.length {
                end = .context
            }
        }
        isGenerating = end == nil
        return end == .endOfText ? nil : token
    }

    /// x/τ − ln Σ e^(x/τ)
    private func logProbability(of token: Int) -> Float {
        let logits = decoder.logits(of: 0), temperature = Float(max(sampling.temperature, 1e-6))
        let peak = logits.max() ?? 0
        return (logits[token] - peak) / temperature - Float.log(logits.reduce(0) { $0 + Float.exp(($1 - peak) / temperature) })
    }

    /// The logits of the token that follows the moment's text, for tests: (V).
    func firstLogits(_ moment: MomentInput, with parameters: ParameterStore<Float>) -> [Float] {
        begin(moment, with: parameters, seed: 0)
        decoder.advance([tokens.last])
        return Array(decoder.logits(of: 0))
    }

    /// An absent modality has no rows in the cache, as the trunk's mask hides it.
    private func recomputeCache() {
        graph.forward()
        decoder.forget(0)
        let length = configuration.tokens * configuration.width
        let present = configuration.senses.indices.filter { inputs.modalities[$0].present.values[0] > 0 }
        if let prefix { decoder.read(prefix: present.flatMap { prefix.values[$0 * length..<($0 + 1) * length] }, stream: 0) }
        decoder.read(tokens.dropLast(), stream: 0)
    }
}
