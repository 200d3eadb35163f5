/// Converts text to token ids and back. A text is any sequence of bytes, not necessarily valid UTF-8, and is restored exactly.
public protocol Tokenizer: Sendable {
    /// All ids are below this number; some ids below it may be unused.
    var vocabularySize: Int { get }

    /// The token that ends a text, if there is one.
    var endOfText: Int? { get }

    /// The token ids of a text.
    func encode(_ bytes: [UInt8]) -> [Int]

    /// The token ids of a text of which no part is a special token: the content of one is split like any other text.
    func encodeText(_ bytes: [UInt8]) -> [Int]

    /// The id of the special token of this content; nil if there is none.
    func specialToken(_ content: String) -> Int?

    /// The concatenated bytes of tokens.
    /// - Throws: `TokenizationError.unknownToken`.
    func decode(_ tokens: [Int]) throws(TokenizationError) -> [UInt8]
}

extension Tokenizer {
    /// The token ids of a text.
    public func encode(_ text: String) -> [Int] { encode(Array(text.utf8)) }

    /// A tokenizer without special tokens encodes every text the same.
    public func encodeText(_ bytes: [UInt8]) -> [Int] { encode(bytes) }
    public func specialToken(_ content: String) -> Int? { nil }
}

/// Why a tokenizer's files or a list of tokens are not valid or not supported.
public enum TokenizationError: Error, Equatable, CustomStringConvertible {
    case unknownToken(Int, vocabularySize: Int)
    case unreadable(file: String, String)
    case malformed(file: String, String)
    case unsupported(file: String, String)

    public var description: String {
        switch self {
        case .unknownToken(let token, let size): "token \(token) is not in the vocabulary of \(size)"
        case .unreadable(let file, let why): "\(file) cannot be read: \(why)"
        case .malformed(let file, let problem): "\(file) is malformed: \(problem)"
        case .unsupported(let file, let what): "\(file) requires \(what), which is not supported: only byte-level BPE as in GPT-2 is"
        }
    }
}
