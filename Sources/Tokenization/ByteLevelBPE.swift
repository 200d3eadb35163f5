import Synchronization

/// GPT-2's tokenizer: byte-level byte-pair encoding.
/// https://cdn.openai.com/better-language-models/language_models_are_unsupervised_multitask_learners.pdf, §2.2
///
/// Encoding finds added tokens, splits what lies between them into words by GPT-2's pattern and merges the bytes of each
/// word. Bytes that are not UTF-8 are words' symbols like punctuation, byte by byte, and come back as they were.
public final class ByteLevelBPE: Tokenizer {
    public let vocabularySize: Int
    public let endOfText: Int?

    private let table: TokenTable
    private let merges: MergeTable
    private let tokenOfByte: [Int32]
    private let finders: [AddedTokenFinder]
    private let addsPrefixSpace: Bool
    /// Whoever finds it in use works with a fresh one.
    private let scratch = Mutex(Scratch())

    private struct Scratch {
        var cache = WordCache()
        var merger = WordMerger()
    }

    init(
        table: TokenTable, merges: MergeTable, tokenOfByte: [Int32], addedTokens: [AddedToken], addsPrefixSpace: Bool
    ) {
        vocabularySize = table.size
        endOfText = addedTokens.first { $0.content == "<|endoftext|>" }?.id
        self.table = table
        self.merges = merges
        self.tokenOfByte = tokenOfByte
        finders = [false, true].compactMap { normalized in
            let tokens = addedTokens.filter { $0.isNormalized == normalized }
            return tokens.isEmpty ? nil : AddedTokenFinder(tokens)
        }
        self.addsPrefixSpace = addsPrefixSpace
    }

    public func encode(_ bytes: [UInt8]) -> [Int] {
        scratch.withLockIfAvailable { encode(bytes, &$0) } ?? encode(bytes, with: Scratch())
    }

    public func decode(_ tokens: [Int]) throws(TokenizationError) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(tokens.count * 4)
        for token in tokens {
            guard let word = table.bytes(of: token) else { throw .unknownToken(token, vocabularySize: vocabularySize) }
            bytes.append(contentsOf: word)
        }
        return bytes
    }

    private func encode(_ bytes: [UInt8], with scratch: consuming Scratch) -> [Int] { encode(bytes, &scratch) }

    private func encode(_ bytes: [UInt8], _ scratch: inout Scratch) -> [Int] {
        var tokens: [Int] = []
        tokens.reserveCapacity(bytes.count / 3)
        bytes.withUnsafeBufferPointer { text in
            encode(text, 0..<text.count, finders[...], &scratch, to: &tokens)
        }
        return tokens
    }

    private func encode(
        _ text: UnsafeBufferPointer<UInt8>, _ range: Range<Int>, _ finders: ArraySlice<AddedTokenFinder>,
        _ scratch: inout Scratch, to tokens: inout [Int]
    ) {
        guard let finder = finders.first else { return encodeWords(text, range, &scratch, to: &tokens) }
        finder.split(text, in: range) { piece, token in
            if let token {
                tokens.append(token.id)
            } else {
                encode(text, piece, finders.dropFirst(), &scratch, to: &tokens)
            }
        }
    }

    private func encodeWords(
        _ text: UnsafeBufferPointer<UInt8>, _ range: Range<Int>, _ scratch: inout Scratch, to tokens: inout [Int]
    ) {
        if addsPrefixSpace, !range.isEmpty, text[range.lowerBound] != UInt8(ascii: " ") {
            let spaced = [UInt8(ascii: " ")] + text[range]
            return spaced.withUnsafeBufferPointer { encodeEachWord($0, 0..<spaced.count, &scratch, to: &tokens) }
        }
        encodeEachWord(text, range, &scratch, to: &tokens)
    }

    private func encodeEachWord(
        _ text: UnsafeBufferPointer<UInt8>, _ range: Range<Int>, _ scratch: inout Scratch, to tokens: inout [Int]
    ) {
        for wordRange in WordSplitter(text, in: range) {
            let word = UnsafeBufferPointer(rebasing: text[wordRange])
            let hash = hash(of: word)
            if scratch.cache.append(word, hash: hash, to: &tokens) { continue }
            let start = tokens.count
            scratch.merger.encode(word, tokenOfByte, merges, to: &tokens)
            scratch.cache.insert(word, hash: hash, tokens[start...])
        }
    }
}
