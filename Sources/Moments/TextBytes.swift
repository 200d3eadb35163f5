import Tokenization

/// Decodes the tokens of a moment's text to bytes, whatever tokenizer made them.
package struct TextBytes {
    private let tokenizer: any Tokenizer

    /// - Parameter tokenizer: its directory; empty where every token is a byte.
    /// - Throws: `TokenizationError`.
    package init(tokenizer directory: String) throws {
        tokenizer = directory.isEmpty ? ByteTokenizer() : try openTokenizer(path: directory)
    }

    /// The bytes of all tokens. A token outside the vocabulary has none.
    package func bytes(of tokens: [Int]) -> [UInt8] {
        if let bytes = try? tokenizer.decode(tokens) { return bytes }
        return tokens.flatMap { (try? tokenizer.decode([$0])) ?? [] }
    }
}
