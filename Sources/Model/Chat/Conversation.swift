import Tokenization

/// A conversation as tokens: a system message, then questions and answers in turn. When it grows too long, the oldest turns go.
///
///     var conversation = try Conversation(format, tokenizer, system: "Be brief.")
///     try conversation.ask(Array("Hello".utf8))
///     let dropped = try conversation.fit(in: positions, leaving: 256)
///     // generate from conversation.prompt, up to a token of conversation.ends
///     conversation.answer(tokens)
public struct Conversation {
    /// The format of its turns.
    public let format: ChatFormat
    /// The tokens at which an answer ends: those of the model, and any that begins or ends a turn.
    public let ends: Set<Int>

    private let tokenizer: any Tokenizer
    private let markers: [Int]
    private let takesSpecialTokens: Bool
    /// The tokens of the beginning of the text and of the system message.
    private var opening: [Int] = []
    private var turns: [Turn] = []

    private struct Turn {
        let isQuestion: Bool
        /// With the markers around it.
        let tokens: [Int]
    }

    /// - Parameters:
    ///   - format: the format of its turns.
    ///   - tokenizer: the model's.
    ///   - bounds: the tokens at which the model's texts begin and end.
    ///   - system: the system message; none if nil.
    ///   - takesSpecialTokens: whether special tokens in messages are taken as such, so that a message can pretend to be several.
    /// - Throws: `ChatProblem.missingMarker`.
    public init(
        _ format: ChatFormat, _ tokenizer: any Tokenizer, bounds: TextBounds, system: String? = nil, takesSpecialTokens: Bool = false
    ) throws(ChatProblem) {
        self.format = format
        self.tokenizer = tokenizer
        self.takesSpecialTokens = takesSpecialTokens
        var markers: [Int] = []
        for marker in format.markers {
            guard let token = tokenizer.specialToken(marker) else { throw .missingMarker(marker, format: format) }
            markers.append(token)
        }
        self.markers = markers
        ends = bounds.ends.union(markers)
        opening = bounds.begun([])
        if let system { opening += wrapped("system", text(Array(system.utf8))) }
    }

    /// The tokens that the model continues with an answer.
    public var prompt: [Int] { opening + turns.flatMap(\.tokens) + head("assistant") }

    /// Adds a question.
    /// - Throws: `ChatProblem.emptyMessage`.
    public mutating func ask(_ message: [UInt8]) throws(ChatProblem) {
        let tokens = text(message)
        guard !tokens.isEmpty else { throw .emptyMessage }
        turns.append(Turn(isQuestion: true, tokens: wrapped("user", tokens)))
    }

    /// Adds the answer to the last question, without an end token.
    public mutating func answer(_ tokens: some Collection<Int>) {
        turns.append(Turn(isQuestion: false, tokens: wrapped("assistant", Array(tokens))))
    }

    /// Removes the last question, which got no answer.
    public mutating func withdraw() {
        if turns.last?.isQuestion == true { turns.removeLast() }
    }

    /// Drops the oldest questions with their answers, until the prompt leaves room; the last question remains.
    ///
    /// - Parameters:
    ///   - positions: the length of the model's context.
    ///   - room: the number of tokens to leave for an answer.
    /// - Returns: the number of turns dropped.
    /// - Throws: `ChatProblem.tooLong`, if the last question alone is too long; nothing is dropped then.
    public mutating func fit(in positions: Int, leaving room: Int) throws(ChatProblem) -> Int {
        let fixed = opening.count + head("assistant").count
        guard let last = turns.last else { return 0 }
        guard fixed + last.tokens.count + room <= positions else { throw .tooLong(tokens: fixed + last.tokens.count, positions: positions) }
        var length = fixed + turns.reduce(0) { $0 + $1.tokens.count }, dropped = 0
        while length + room > positions || (dropped > 0 && !turns[dropped].isQuestion) {
            length -= turns[dropped].tokens.count
            dropped += 1
        }
        turns.removeFirst(dropped)
        return dropped
    }

    private func wrapped(_ role: String, _ text: [Int]) -> [Int] {
        let end = [markers[markers.count - 1]]
        return head(role) + text + (format == .chatML ? end + tokenizer.encodeText(Array("\n".utf8)) : end)
    }

    private func head(_ role: String) -> [Int] {
        func plain(_ text: String) -> [Int] { tokenizer.encodeText(Array(text.utf8)) }
        return switch format {
        case .chatML: [markers[0]] + plain("\(role)\n")
        case .llama3: [markers[0]] + plain(role) + [markers[1]] + plain("\n\n")
        }
    }

    /// The tokens of a message; none of them is a marker, unless special tokens are taken.
    private func text(_ message: [UInt8]) -> [Int] {
        let bytes = format == .llama3 ? trimmed(message) : message
        if takesSpecialTokens { return tokenizer.encode(bytes) }
        let tokens = tokenizer.encodeText(bytes)
        // A vocabulary could merge a marker's letters to the marker; single bytes it cannot.
        return tokens.contains(where: markers.contains) ? bytes.flatMap { tokenizer.encodeText([$0]) } : tokens
    }

    private func trimmed(_ bytes: [UInt8]) -> [UInt8] {
        func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || (0x09...0x0D).contains(byte) }
        guard let first = bytes.firstIndex(where: { !isSpace($0) }), let last = bytes.lastIndex(where: { !isSpace($0) }) else { return [] }
        return Array(bytes[first...last])
    }
}
