import Statistics
import Tensors
import Tokenization

/// Continues prompts token by token, one stream each.
///
///     let generation = try Generation(decoder, tokenizer, prompts: [tokens], settings, seed: 1)
///     while let pieces = try generation.next() { … }
///
/// A seed and a prompt give the same text whatever else is in the batch.
public final class Generation {
    public struct Settings: Sendable, Equatable {
        public var sampling = Sampling()
        /// The most tokens that a stream adds.
        public var maximumTokens = 128
        /// A stream ends before the first of these.
        public var stops: [[UInt8]] = []
        public var adoption = Adoption.finish
        /// Where texts begin and end; nil: at the tokenizer's token for the end of a text.
        public var bounds: TextBounds?

        public init() {}
    }

    /// What an update does to texts that are under way. Keys and values of two versions are never mixed.
    public enum Adoption: String, Sendable, CaseIterable {
        /// They are finished with the parameters they began with.
        case finish
        /// All their tokens are read again with the new parameters before the next is drawn.
        case recompute
    }

    /// Why a stream ended.
    public enum End: String, Sendable {
        case length, endOfText, stop, context
    }

    /// What a stream adds in one step: a token, and the bytes that may be shown by now.
    public struct Piece: Sendable, Equatable {
        public let stream: Int
        public let token: Int?
        public let bytes: [UInt8]
        public let end: End?
    }

    public enum Refusal: Error, Equatable, CustomStringConvertible {
        case emptyPrompt
        case promptTooLong(tokens: Int, positions: Int)
        case outOfRange(token: Int, vocabularySize: Int)
        case setting(key: String, String)
        case notFinite

        public var description: String {
            switch self {
            case .emptyPrompt: "the prompt is empty, and neither model nor tokenizer has a token that begins a text"
            case .promptTooLong(let tokens, let positions): "the prompt has \(tokens) tokens; the model's context holds \(positions)"
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

    private let decoder: TextDecoder
    private let tokenizer: any Tokenizer
    private let settings: Settings
    private let bounds: TextBounds
    private var streams: [Stream]
    private var update: ParameterStore<Float>?

    /// - Parameter prompts: one for each of the decoder's streams; an empty one begins with the token that begins texts.
    public init(
        _ decoder: TextDecoder, _ tokenizer: any Tokenizer, prompts: [[Int]], _ settings: Settings, seed: UInt64
    ) throws(Refusal) {
        precondition(prompts.count == decoder.streams, "\(prompts.count) prompts for \(decoder.streams) streams")
        if let problem = settings.sampling.problem { throw .setting(key: problem.key, problem.sentence) }
        let (positions, size) = (decoder.configuration.positions, decoder.configuration.vocabularySize)
        self.decoder = decoder
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
        readAgain()
    }

    public var isDone: Bool { streams.allSatisfy { $0.end != nil } }

    /// All tokens of a stream, the prompt's first.
    public func tokens(of stream: Int) -> [Int] { streams[stream].tokens }

    /// What was added to a stream's prompt, or to the token that stands for an empty one.
    public func added(to stream: Int) -> ArraySlice<Int> { streams[stream].tokens[streams[stream].promptLength...] }

    /// Hands over newer parameters of the same model, which nobody changes from here on.
    public func adopt(_ parameters: ParameterStore<Float>) { update = parameters }

    /// Draws one token in every stream that has not ended; nil when all have.
    public func next() throws(Refusal) -> [Piece]? {
        guard !isDone else { return nil }
        if let update, settings.adoption == .recompute {
            decoder.adopt(update)
            self.update = nil
            readAgain()
        }
        decoder.advance(streams.map { $0.end == nil ? $0.tokens.last : nil })
        var pieces: [Piece] = []
        for index in streams.indices where streams[index].end == nil { pieces.append(try extend(index)) }
        return pieces
    }

    /// The parameters that came while texts were finished with the old ones; for the next generation.
    public func takeUpdate() -> ParameterStore<Float>? {
        defer { update = nil }
        return update
    }

    /// Reads all but the last token of every stream, which the next step reads.
    private func readAgain() {
        for (index, stream) in streams.enumerated() where stream.end == nil {
            decoder.forget(index)
            decoder.read(stream.tokens.dropLast(), stream: index)
        }
    }

    private func extend(_ index: Int) throws(Refusal) -> Piece {
        let logits = decoder.logits(of: index)
        guard let token = settings.sampling.token(from: logits, after: streams[index].tokens, using: &streams[index].random) else {
            throw .notFinite
        }
        if bounds.ends.contains(token) {
            streams[index].end = .endOfText
            return Piece(stream: index, token: nil, bytes: streams[index].stop.flush(), end: .endOfText)
        }
        streams[index].tokens.append(token)
        // A model's vocabulary may be wider than its tokenizer's; such a token has no bytes.
        let word = (try? tokenizer.decode([token])) ?? []
        var (bytes, isStopped) = streams[index].stop.pass(word)
        let count = streams[index].tokens.count
        if isStopped {
            streams[index].end = .stop
        } else if count - streams[index].promptLength >= settings.maximumTokens {
            streams[index].end = .length
        } else if count > decoder.configuration.positions {
            streams[index].end = .context
        }
        if streams[index].end != nil, !isStopped { bytes += streams[index].stop.flush() }
        return Piece(stream: index, token: token, bytes: bytes, end: streams[index].end)
    }
}
