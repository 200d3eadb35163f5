/// A token for every byte, and one more that ends a text: for models without a vocabulary of their own.
public struct ByteTokenizer: Tokenizer {
    public let vocabularySize = 257
    public let endOfText: Int? = 256

    public init() {}

    public func encode(_ bytes: [UInt8]) -> [Int] { bytes.map(Int.init) }

    /// The token 256 has no bytes.
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
