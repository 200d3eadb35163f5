/// Text to token ids and back. Text is bytes: it need not be UTF-8, and nothing of it is lost.
public protocol Tokenizer: Sendable {
    /// Ids are below this number; not every one of them need be in use.
    var vocabularySize: Int { get }

    /// The token that ends a text, if there is one.
    var endOfText: Int? { get }

    func encode(_ bytes: [UInt8]) -> [Int]

    /// The bytes of all tokens, one after the other. Throws `TokenizationError.unknownToken`.
    func decode(_ tokens: [Int]) throws(TokenizationError) -> [UInt8]
}

extension Tokenizer {
    public func encode(_ text: String) -> [Int] { encode(Array(text.utf8)) }
}

/// Why a tokenizer's files or a list of tokens were refused.
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
        case .unsupported(let file, let what): "\(file) asks for \(what), which is not byte-level BPE as GPT-2's"
        }
    }
}
