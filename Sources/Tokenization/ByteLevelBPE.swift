import Foundation
import Synchronization

/// The tokenizer of GPT-2 and its successors: byte-level byte-pair encoding.
/// https://cdn.openai.com/better-language-models/language_models_are_unsupervised_multitask_learners.pdf, §2.2
///
/// Encoding finds added tokens, splits the text between them into words by a pattern and merges the bytes of each word. Bytes that are
/// not valid UTF-8 are treated like punctuation, and are restored by decoding; so is every text, unless the tokenizer normalises it.
public final class ByteLevelBPE: Tokenizer {
    public let vocabularySize: Int
    public let endOfText: Int?

    private let table: TokenTable
    private let merges: MergeTable
    private let byteTokens: ByteTokens
    /// The content of every added token.
    private let contents: [Int: [UInt8]]
    /// Find added tokens before and, if there are any, after the text is normalised.
    private let finders: [AddedTokenFinder?]
    /// Those of the tokens that are not special.
    private let textFinders: [AddedTokenFinder?]
    private let specialTokens: [String: Int]
    private let addsPrefixSpace: Bool
    /// Whether a text that is valid UTF-8 is brought into the form NFC.
    private let composes: Bool
    private let pattern: WordPattern
    /// Whether a word of the vocabulary becomes its token directly, without merging its bytes.
    private let ignoresMerges: Bool
    /// Buffers reused between calls; a call that finds them in use by another thread creates its own.
    private let scratch = Mutex(Scratch())

    private struct Scratch {
        var cache = WordCache()
        var merger = WordMerger()
    }

    init(
        table: TokenTable, merges: MergeTable, bytes: ByteTokens, added: [AddedToken], endOfText: Int?, addsPrefixSpace: Bool,
        splitsSpecialTokens: Bool, pattern: WordPattern = .gpt2, ignoresMerges: Bool = false, composes: Bool = false
    ) {
        vocabularySize = added.reduce(table.size) { max($0, $1.id + 1) }
        self.endOfText = endOfText
        self.table = table
        self.merges = merges
        byteTokens = bytes
        contents = Dictionary(added.map { ($0.id, Array($0.content.utf8)) }) { _, last in last }
        func finders(_ isFound: (AddedToken) -> Bool) -> [AddedTokenFinder?] {
            [false, true].map { normalized in
                var tokens = added.filter { $0.isNormalized == normalized && isFound($0) }
                if composes && normalized {
                    for i in tokens.indices { tokens[i].content = tokens[i].content.precomposedStringWithCanonicalMapping }
                }
                return tokens.isEmpty ? nil : AddedTokenFinder(tokens)
            }
        }
        self.finders = finders { !($0.isSpecial && splitsSpecialTokens) }
        textFinders = finders { !$0.isSpecial }
        specialTokens = Dictionary(added.filter(\.isSpecial).map { ($0.content, $0.id) }) { _, last in last }
        self.addsPrefixSpace = addsPrefixSpace
        self.composes = composes
        self.pattern = pattern
        self.ignoresMerges = ignoresMerges
    }

    public func encode(_ bytes: [UInt8]) -> [Int] { encode(bytes, finders) }

    public func encodeText(_ bytes: [UInt8]) -> [Int] { encode(bytes, textFinders) }

    public func specialToken(_ content: String) -> Int? { specialTokens[content] }

    private func encode(_ bytes: [UInt8], _ finders: [AddedTokenFinder?]) -> [Int] {
        scratch.withLockIfAvailable { encode(bytes, finders, &$0) } ?? encode(bytes, finders, with: Scratch())
    }

    /// The concatenated bytes of tokens. An added token is decoded as its content. If its content can also be read in GPT-2's byte
    /// alphabet (`Ã©` as é, `§` as the byte 0xA7), it is decoded as those bytes if they are valid UTF-8 or continue a character that
    /// the preceding bytes have begun.
    /// - Throws: `TokenizationError.unknownToken`.
    public func decode(_ tokens: [Int]) throws(TokenizationError) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(tokens.count * 4)
        for token in tokens {
            let word = table.bytes(of: token)
            if let content = contents[token] {
                let isWord = word.map { String(validating: $0, as: UTF8.self) != nil || goesOn(bytes, with: $0) } ?? false
                bytes.append(contentsOf: isWord ? word ?? [] : content[...])
                continue
            }
            guard let word else { throw .unknownToken(token, vocabularySize: vocabularySize) }
            bytes.append(contentsOf: word)
        }
        return bytes
    }

    /// Whether `bytes` end within a UTF-8 sequence and `word` begins with its next byte.
    private func goesOn(_ bytes: [UInt8], with word: ArraySlice<UInt8>) -> Bool {
        guard let next = word.first, next & 0xC0 == 0x80 else { return false }
        for (length, byte) in bytes.suffix(3).reversed().enumerated() where byte & 0xC0 != 0x80 {
            return byte >= (length == 0 ? 0xC2 : length == 1 ? 0xE0 : 0xF0)
        }
        return false
    }

    private func encode(_ bytes: [UInt8], _ finders: [AddedTokenFinder?], with scratch: consuming Scratch) -> [Int] {
        encode(bytes, finders, &scratch)
    }

    private func encode(_ bytes: [UInt8], _ finders: [AddedTokenFinder?], _ scratch: inout Scratch) -> [Int] {
        var tokens: [Int] = []
        tokens.reserveCapacity(bytes.count / 3)
        bytes.withUnsafeBufferPointer { text in
            encode(text, 0..<text.count, finders[...], &scratch, to: &tokens)
        }
        return tokens
    }

    private func encode(
        _ text: UnsafeBufferPointer<UInt8>, _ range: Range<Int>, _ finders: ArraySlice<AddedTokenFinder?>,
        _ scratch: inout Scratch, to tokens: inout [Int]
    ) {
        guard let finder = finders.first else { return encodeWords(text, range, &scratch, to: &tokens) }
        guard let finder else { return encodeNext(text, range, finders.dropFirst(), &scratch, to: &tokens) }
        finder.split(text, in: range) { piece, token in
            if let token {
                tokens.append(token.id)
            } else {
                encodeNext(text, piece, finders.dropFirst(), &scratch, to: &tokens)
            }
        }
    }

    /// Encodes what one finder has left; a text is normalised between the first and the second.
    private func encodeNext(
        _ text: UnsafeBufferPointer<UInt8>, _ range: Range<Int>, _ finders: ArraySlice<AddedTokenFinder?>,
        _ scratch: inout Scratch, to tokens: inout [Int]
    ) {
        guard composes, !finders.isEmpty, text[range].contains(where: { $0 >= 0x80 }),
            let string = String(validating: text[range], as: UTF8.self)
        else { return encode(text, range, finders, &scratch, to: &tokens) }
        let composed = Array(string.precomposedStringWithCanonicalMapping.utf8)
        composed.withUnsafeBufferPointer { encode($0, 0..<composed.count, finders, &scratch, to: &tokens) }
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
        for wordRange in WordSplitter(text, in: range, by: pattern) {
            let word = UnsafeBufferPointer(rebasing: text[wordRange])
            let hash = hash(of: word)
            if scratch.cache.append(word, hash: hash, to: &tokens) { continue }
            let start = tokens.count
            if ignoresMerges, let whole = table.token(of: word.reduce(into: "") { $0 += ByteAlphabet.spelling(of: $1) }) {
                tokens.append(whole)
            } else {
                scratch.merger.encode(word, byteTokens, merges, to: &tokens)
            }
            scratch.cache.insert(word, hash: hash, tokens[start...])
        }
    }
}
