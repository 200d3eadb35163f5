import Statistics
import Tensors
import Tokenization

/// Generates continuations of prompts, token by token, one stream for each prompt.
///
///     let generation = try Generation(decoder, tokenizer, prompts: [tokens], settings, seed: 1)
///     while let pieces = try generation.next() { … }
///
/// A seed and a prompt give the same text whatever the other prompts are.
public final class Generation {
    /// How texts are generated.
    public struct Settings: Sendable, Equatable {
        /// How tokens are drawn.
        public var sampling = Sampling()
        /// The maximal number of tokens that a stream adds.
        public var maximumTokens = 128
        /// Byte sequences before the first of which a stream ends.
        public var stops: [[UInt8]] = []
        /// What an update of the parameters does to unfinished texts.
        public var adoption = Adoption.finish
        /// The tokens at which texts begin and end; nil: the tokenizer's end-of-text token.
        public var bounds: TextBounds?

        public init() {}
    }

    /// What an update of the parameters does to unfinished texts. Keys and values of two versions are never mixed.
    public enum Adoption: String, Sendable, CaseIterable {
        /// They are finished with the parameters with which they began.
        case finish
        /// The cache of keys and values is recomputed with the new parameters before the next token is drawn.
        case recompute
    }

    /// Why a stream ended.
    public enum End: String, Sendable {
        case length, endOfText, stop, context
    }

    /// What a stream adds in one step.
    public struct Piece: Sendable, Equatable {
        /// The stream's index.
        public let stream: Int
        /// The new token; nil if the stream ended with an end token.
        public let token: Int?
        /// Bytes that can be output: those that may be the beginning of a stop sequence are held back.
        public let bytes: [UInt8]
        /// Why the stream ended; nil if it continues.
        public let end: End?
    }

    /// Why a text cannot be generated.
    public enum Refusal: Error, Equatable, CustomStringConvertible {
        case emptyPrompt
        case promptTooLong(tokens: Int, positions: Int)
        case outOfRange(token: Int, vocabularySize: Int)
        case setting(key: String, String)
        case notFinite

        public var description: String {
            switch self {
            case .emptyPrompt: "the prompt is empty, and neither the model nor the tokenizer has a token that begins a text"
            case .promptTooLong(let tokens, let positions): "the prompt has \(tokens) tokens; the model's context has \(positions)"
            case .outOfRange(let token, let size):
                "token \(token) is not in the model's vocabulary of \(size): this tokenizer is not the model's"
            case .setting(let key, let problem): "\(key) \(problem)"
            case .notFinite: "the model's logits are not finite"
            }
        }
    }

    private struct Stream {
        var tokens: [Int]
        let promptLength: Int
        var random: RandomSource
        var stop: StopFinder
        var end: End?
    }

    /// Changes the logits, (V), of the token that follows those that a stream has added.
    public typealias Mixing = (_ logits: UnsafeMutableBufferPointer<Float>, _ added: ArraySlice<Int>, _ stream: Int) -> Void

    private let decoder: TextDecoder
    private let mixing: Mixing?
    private let tokenizer: any Tokenizer
    private let settings: Settings
    private let bounds: TextBounds
    private var streams: [Stream]
    private var update: ParameterStore<Float>?

    /// Begins the texts and reads the prompts.
    ///
    /// - Parameters:
    ///   - decoder: has as many streams as there are prompts.
    ///   - tokenizer: turns tokens into bytes.
    ///   - prompts: token ids, one prompt for each stream; an empty prompt is replaced by the token that begins texts.
    ///   - settings: how texts are generated.
    ///   - seed: of the random numbers.
    ///   - keepingCache: whether tokens at the beginning of a prompt that the decoder's stream has read already are not read again.
    ///   - mixing: changes the logits before each token is drawn; nil for nothing.
    /// - Throws: `Refusal`, if a prompt or a setting is invalid.
    public init(
        _ decoder: TextDecoder, _ tokenizer: any Tokenizer, prompts: [[Int]], _ settings: Settings, seed: UInt64,
        keepingCache: Bool = false, mixing: Mixing? = nil
    ) throws(Refusal) {
        precondition(prompts.count == decoder.streams, "\(prompts.count) prompts for \(decoder.streams) streams")
        if let problem = settings.sampling.problem { throw .setting(key: problem.key, problem.problem) }
        let (positions, size) = (decoder.positions, decoder.plan.vocabularySize)
        self.decoder = decoder
        self.mixing = mixing
        self.tokenizer = tokenizer
        self.settings = settings
        bounds = settings.bounds ?? TextBounds(begin: tokenizer.endOfText, ends: Set(tokenizer.endOfText.map { [$0] } ?? []))
        streams = []
        for (number, prompt) in prompts.enumerated() {
            var tokens = prompt
            if tokens.isEmpty, let begin = bounds.begin { tokens = [begin] }
            guard !tokens.isEmpty else { throw .emptyPrompt }
            guard tokens.count <= positions else { throw .promptTooLong(tokens: tokens.count, positions: positions) }
            if let stray = tokens.first(where: { !(0..<size).contains($0) }) { throw .outOfRange(token: stray, vocabularySize: size) }
            streams.append(
                Stream(
                    tokens: tokens, promptLength: tokens.count, random: RandomSource(seed: seed &+ UInt64(number)),
                    stop: StopFinder(settings.stops), end: settings.maximumTokens > 0 ? nil : .length))
        }
        if !keepingCache { for stream in 0..<decoder.streams { decoder.forget(stream) } }
        readPrompts()
    }

    /// Whether all streams have ended.
    public var isDone: Bool { streams.allSatisfy { $0.end != nil } }

    /// All tokens of a stream, including the prompt.
    public func tokens(of stream: Int) -> [Int] { streams[stream].tokens }

    /// The tokens that a stream has added to its prompt.
    public func added(to stream: Int) -> ArraySlice<Int> { streams[stream].tokens[streams[stream].promptLength...] }

    /// Sets newer parameters of the same model, which must not change any more; `Settings.adoption` says when they are used.
    public func adopt(_ parameters: ParameterStore<Float>) { update = parameters }

    /// Draws one token in every stream that has not ended.
    /// - Returns: what each stream adds; nil when all have ended.
    /// - Throws: `Refusal.notFinite`, if a logit is not finite.
    public func next() throws(Refusal) -> [Piece]? {
        guard !isDone else { return nil }
        if let update, settings.adoption == .recompute {
            decoder.adopt(update)
            self.update = nil
            readPrompts()
        }
        decoder.advance(streams.map { $0.end == nil ? $0.tokens.last : nil })
        var pieces: [Piece] = []
        for index in streams.indices where streams[index].end == nil { pieces.append(try extend(index)) }
        return pieces
    }

    /// Returns and removes the parameters set by `adopt` that were not used; for the next generation.
    public func takeUpdate() -> ParameterStore<Float>? {
        defer { update = nil }
        return update
    }

    /// Reads all tokens of every stream but the last, which the next step reads; those that its cache has are kept.
    private func readPrompts() {
        for (index, stream) in streams.enumerated() where stream.end == nil {
            decoder.continueStream(index, with: Array(stream.tokens.dropLast()))
        }
    }

    private func extend(_ index: Int) throws(Refusal) -> Piece {
        let logits = decoder.logits(of: index)
        mixing?(logits, added(to: index), index)
        guard let token = settings.sampling.token(from: logits, after: streams[index].tokens, using: &streams[index].random) else {
            throw .notFinite
        }
        if bounds.ends.contains(token) {
            streams[index].end = .endOfText
            return Piece(stream: index, token: nil, bytes: streams[index].stop.flush(), end: .endOfText)
        }
        streams[index].tokens.append(token)
        // A model's vocabulary may be larger than its tokenizer's; such a token has no bytes.
        let word = (try? tokenizer.decode([token])) ?? []
        var (bytes, isStopped) = streams[index].stop.pass(word)
        let count = streams[index].tokens.count
        if isStopped {
            streams[index].end = .stop
        } else if count - streams[index].promptLength >= settings.maximumTokens {
            streams[index].end = .length
        } else if count > decoder.positions {
            streams[index].end = .context
        }
        if streams[index].end != nil, !isStopped { bytes += streams[index].stop.flush() }
        return Piece(stream: index, token: token, bytes: bytes, end: streams[index].end)
    }
}
