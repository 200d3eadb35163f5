/// A tokenizer with a token for every byte and one that ends a text (256), for models without a vocabulary.
public struct ByteTokenizer: Tokenizer {
    public let vocabularySize = 257
    public let endOfText: Int? = 256

    public init() {}

    public func encode(_ bytes: [UInt8]) -> [Int] { bytes.map(Int.init) }

    /// The bytes of tokens; token 256 has none.
    /// - Throws: `TokenizationError.unknownToken`.
    public func decode(_ tokens: [Int]) throws(TokenizationError) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(tokens.count)
        for token in tokens where token != 256 {
            guard let byte = UInt8(exactly: token) else {
                throw .unknownToken(token, vocabularySize: vocabularySize)
            }
            bytes.append(byte)
        }
        return bytes
    }
}
