import Statistics

/// Recognises the kind of a student's error as an expert sees it, and learns from each chat once: from the last messages, the expert's
/// reply if it has come, and what a language model makes of them.
public struct ErrorKindModel {
    private var classifier: TextClassifier

    /// - Parameter vectors: the number of vectors that a language model gives of each chat; 0 without.
    public init(vectors: Int = 0) { classifier = TextClassifier(words: 3, vectors: vectors) }

    /// The probability of each kind that has come so far.
    /// - Parameters:
    ///   - chat: whose messages are looked at, and whose reply if it has one; not its error.
    ///   - vectors: what a language model makes of it.
    public mutating func predict(_ chat: TutoringChat, _ vectors: [[Float]] = []) -> [Float] {
        let last = Self.words(of: chat.messages.last.map { [$0.text] } ?? []), reply = Self.words(of: chat.reply)
        var all: [String: Float] = [:]
        for word in reply { all["r:" + word, default: 0] += 1 }
        for word in last { all["s:" + word, default: 0] += 1 }
        var pairs: [String: Float] = [:]
        for (a, b) in zip(["^"] + reply, reply) { pairs[a + " " + b, default: 0] += 1 }
        let single = reply.reduce(into: [String: Float]()) { $0[$1, default: 0] += 1 }
        return classifier.predict(
            TextClassifier.Features(words: [single, pairs, all], vectors: vectors, length: chat.reply.reduce(0) { $0 + $1.utf8.count }))
    }

    /// Learns the kind of the chat predicted last.
    public mutating func learn(_ error: Int) { classifier.learn(error) }

    /// Words, numbers as one, and marks that end sentences.
    private static func words(of texts: [String]) -> [String] {
        texts.flatMap { text in
            var words: [String] = [], word = ""
            for character in text.lowercased() + " " {
                if character.isLetter || character == "'" {
                    word.append(character)
                    continue
                }
                if !word.isEmpty { words.append(word) }
                word = ""
                if character.isNumber, words.last != "0" { words.append("0") }
                if ["?", "!", "."].contains(character) { words.append(String(character)) }
            }
            return words
        }
    }
}

/// How often the kind of error was recognised, when the expert's reply had come and before it, beside one softmax regression on words.
public struct ErrorKindScores: Sendable {
    /// Whether each chat's kind was recognised, by the model and by the baseline.
    public private(set) var withReply: [(model: Bool, baseline: Bool)] = [], beforeReply: [(model: Bool, baseline: Bool)] = []

    /// One pass with the replies and one without, each chat predicted and then learned.
    /// - Parameters:
    ///   - chats: in their order.
    ///   - vectors: the number of vectors that `read` gives.
    ///   - read: what a language model makes of a chat's last message, and of its reply if it has one.
    public init(_ chats: [TutoringChat], vectors: Int = 0, read: (TutoringChat) -> [[Float]] = { _ in [] }) {
        withReply = Self.pass(chats, vectors, read, TextBaseline()) { ($0.messages.suffix(1).map(\.text) + $0.reply) }
        beforeReply = Self.pass(
            chats.map { TutoringChat(messages: $0.messages, reply: [], error: $0.error) }, vectors, read, TextBaseline(rate: 0.3)
        ) { $0.messages.map(\.text) }
    }

    /// The baseline sees what serves it best, at the better of two rates: the last message with the reply, or all messages.
    private static func pass(
        _ chats: [TutoringChat], _ vectors: Int, _ read: (TutoringChat) -> [[Float]], _ baseline: TextBaseline,
        _ texts: (TutoringChat) -> [String]
    ) -> [(model: Bool, baseline: Bool)] {
        var model = ErrorKindModel(vectors: vectors), baseline = baseline
        return chats.map { chat in
            let text = texts(chat).joined(separator: "\n")
            let right = (model.predict(chat, read(chat)).argmax == chat.error, baseline.predict(text) == chat.error)
            model.learn(chat.error)
            baseline.learn(chat.error)
            return right
        }
    }

    /// The share of chats that were recognised.
    public static func accuracy(_ right: [Bool]) -> Double { Double(right.count { $0 }) / Double(max(1, right.count)) }
}
