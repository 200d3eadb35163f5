import FilesTesting
import Foundation
import StrictJSON
import Testing

@testable import Tokenization

private let shared = URL(filePath: SharedData.path(""))
private let gpt2 = SharedData.path("data/gpt2_bpe")
private let hasGPT2 = SharedData.isWanted("data/gpt2_bpe")

@Suite(.enabled(if: hasGPT2, "GPT-2's vocabulary is absent: ../shared/data/gpt2_bpe"))
struct GPT2Vocabulary {
    let tokenizer: any Tokenizer

    init() throws { tokenizer = try openTokenizer(directory: gpt2) }

    @Test func textsHaveTheReferencesTokens() throws {
        let cases = try JSON(parsing: Data(contentsOf: shared.appending(path: "fixtures/tokenizer.json"))).array ?? []
        #expect(cases.count > 50)
        for test in cases {
            let text = try #require(test["text"]?.string)
            let tokens = tokenizer.encode(text)
            #expect(tokens.map(JSON.integer) == test["ids"]?.array, "\(text.debugDescription)")
            #expect(try tokenizer.decode(tokens) == Array(text.utf8))
        }
    }

    @Test func endOfTextIsOneTokenWhereverItStands() {
        #expect(tokenizer.vocabularySize == 50_257)
        #expect(tokenizer.endOfText == 50_256)
        #expect(tokenizer.encode("Hello<|endoftext|> world<|endoftext|>") == [15496, 50256, 995, 50256])
        #expect(tokenizer.encode("<|endoftext|") == tokenizer.encode("<|") + tokenizer.encode("endoftext") + tokenizer.encode("|"))
    }

    @Test func anyBytesComeBack() throws {
        var random = SplitMix(state: 3)
        for length in 0..<600 {
            let bytes = (0..<length).map { _ in UInt8(truncatingIfNeeded: random.next() >> (length % 2 == 0 ? 1 : 57)) }
            #expect(try tokenizer.decode(tokenizer.encode(bytes)) == bytes)
        }
    }

    @Test func aWordOfAMillionLettersIsEncoded() throws {
        let word = (0..<1_000_000).map { UInt8(97 + $0 * $0 % 26) }
        let tokens = tokenizer.encode(word)
        #expect(tokens.count < 700_000)
        #expect(try tokenizer.decode(tokens) == word)
    }

    @Test func tokensOutOfRangeAreRefused() {
        for token in [-1, 50_257, .max] {
            #expect(throws: TokenizationError.unknownToken(token, vocabularySize: 50_257)) { try tokenizer.decode([0, token]) }
        }
    }
}

@Test func mergesAreTakenInTheOrderOfTheirRanks() throws {
    // Ranks: bc, ab, abc, aa. "abc" first joins "bc"; the "ab" that would have made "abc" never comes to be.
    let tokenizer = try Directory(words: ["bc", "ab", "abc", "aa"], merges: ["b c", "a b", "ab c", "a a"]).open()
    #expect(try tokenizer.encode("abcab").map { try text([$0], tokenizer) } == ["a", "bc", "ab"])
    #expect(try tokenizer.encode("aaaaa").map { try text([$0], tokenizer) } == ["aa", "aa", "a"])
}

/// The heap against the definition, on random words over random merges.
@Test func theHeapMergesAsTheDefinitionDoes() throws {
    var random = SplitMix(state: 11)
    for _ in 0..<200 {
        var merges: [(String, String)] = []
        var words = ["a", "b", "c"]
        for _ in 0..<12 {
            guard let left = words.randomElement(using: &random), let right = words.randomElement(using: &random) else { continue }
            if words.contains(left + right) || (left + right).count > 12 { continue }
            merges.append((left, right))
            words.append(left + right)
        }
        let tokenizer = try Directory(words: Array(words.dropFirst(3)), merges: merges.map { "\($0) \($1)" }).open()
        for _ in 0..<20 {
            let word = String((0..<Int.random(in: 1...40, using: &random)).map { _ in "abc".randomElement(using: &random) ?? "a" })
            #expect(try tokenizer.encode(word).map { try text([$0], tokenizer) } == byDefinition(word, merges), "\(word) \(merges)")
        }
    }
}

private func byDefinition(_ word: String, _ merges: [(String, String)]) -> [String] {
    var symbols = word.map(String.init)
    while true {
        let ranked = (0..<max(0, symbols.count - 1)).compactMap { i in
            merges.firstIndex { $0 == (symbols[i], symbols[i + 1]) }.map { ($0, i) }
        }
        guard let (_, i) = ranked.min(by: <) else { return symbols }
        symbols.replaceSubrange(i...i + 1, with: [symbols[i] + symbols[i + 1]])
    }
}

@Test func theCacheForgetsWithoutChangingAnything() throws {
    let tokenizer = try Directory(words: ["00", "11"], merges: ["0 0", "1 1"]).open()
    let text = (0..<40_000).map { "x\($0)" }.joined(separator: " ")
    let tokens = tokenizer.encode(text)
    #expect(tokenizer.encode(text) == tokens)
    #expect(try tokenizer.decode(tokens) == Array(text.utf8))
}

@Test func addedTokensTakeTheirSpaceAndKeepTheirDistance() throws {
    let directory = try Directory(
        words: [], merges: [],
        added: [
            #"{"id":300,"content":"<mask>","lstrip":true,"rstrip":true,"special":true,"normalized":false}"#,
            #"{"id":301,"content":"end","single_word":true,"special":false}"#, #"{"id":302,"content":"<m","special":false}"#,
        ])
    let tokenizer = try directory.open()
    let letter = { (c: Character) in tokenizer.encode(String(c))[0] }
    #expect(tokenizer.encode("a \u{3000}<mask> \n b") == [letter("a"), 256, letter("b")])
    #expect(tokenizer.encode("end bend end") == [257, letter(" ")] + "bend".map(letter) + [letter(" "), 257])
    #expect(tokenizer.encode("<m<mask>") == [258, 256])
    #expect(try tokenizer.decode([258, 256]) == Array("<m<mask>".utf8))
}

@Test func bothKindsOfFilesGiveTheSameTokenizer() throws {
    let words = ["ab", "abc", "Ġa"]
    let merges = ["a b", "ab c", "Ġ a"]
    let one = try Directory(words: words, merges: merges).open()
    let two = try Directory(words: words, merges: merges, added: []).open()
    #expect(one.encode("abc a\u{1}é") == two.encode("abc a\u{1}é"))
    // GPT-2's tokenizer adds `<|endoftext|>` to a vocabulary without it; a tokenizer.json is complete.
    #expect((one.vocabularySize, two.vocabularySize) == (260, 259))
}

@Test func aDirectoryWithoutVocabularyHasBytes() throws {
    let directory = try Directory(files: ["config.json": "{}"])
    let tokenizer = try directory.open()
    #expect(tokenizer is ByteTokenizer)
    #expect(tokenizer.encode("é") == [0xC3, 0xA9])
    #expect(try tokenizer.decode([0xC3, 256, 0xA9]) == [0xC3, 0xA9])
    #expect(throws: TokenizationError.unknownToken(257, vocabularySize: 257)) { try tokenizer.decode([257]) }
}

@Test(arguments: [
    (["merges.txt": ""], "it is missing, but there is a merges.txt"), (["vocab.json": "{}"], "it is missing, but there is a vocab.json"),
    (["vocab.json": "[]", "merges.txt": ""], "an object was expected"),
    (["vocab.json": #"{"a":-1}"#, "merges.txt": ""], "the token -1 is out of range"),
    (["vocab.json": #"{"a":0,"b":0}"#, "merges.txt": ""], "token 0 is given to two words"),
    (["vocab.json": "{}", "merges.txt": ""], "the vocabulary is empty"),
    (["vocab.json": "{}", "merges.txt": "#version: 0.2\na b c"], "line 2 is not two words"),
    (["vocab.json": #"{"a":0}"#, "merges.txt": "a b"], "merge 1 needs \"b\", which the vocabulary lacks"),
    (["tokenizer.json": "{}"], "it has no model"),
    (["tokenizer.json": #"{"model":{"type":"WordPiece","vocab":{}},"pre_tokenizer":{"type":"ByteLevel"}}"#], "type = \"WordPiece\""),
    (
        ["tokenizer.json": #"{"model":{"type":"BPE","vocab":{"a":0}},"normalizer":{"type":"NFKC"},"pre_tokenizer":{"type":"ByteLevel"}}"#],
        #"the normalizer {"type":"NFKC"}"#
    ),
    (["tokenizer.json": #"{"model":{"type":"BPE","vocab":{}},"pre_tokenizer":{"type":"Whitespace"}}"#], "the pre-tokenizer"),
    (["tokenizer.json": #"{"model":{"type":"BPE","vocab":{},"merges":[["a"]]}}"#], "a merge is two words"),
    (["tokenizer.json": #"{"added_tokens":[{"id":99999999999,"content":"x"}]}"#], "out of range"),
])
func filesThatAreNoTokenizerAreRefused(files: [String: String], sentence: String) throws {
    let directory = try Directory(files: files)
    do {
        _ = try directory.open()
        Issue.record("opened")
    } catch { #expect("\(error)".contains(sentence), "\(error)") }
}

@Test func aDirectoryThatIsNotThereIsRefused() {
    #expect(throws: TokenizationError.self) { try openTokenizer(directory: "/nowhere/at/all") }
}

private func text(_ tokens: [Int], _ tokenizer: any Tokenizer) throws -> String {
    String(decoding: try tokenizer.decode(tokens), as: UTF8.self)
}

/// A temporary directory with a tokenizer's files; the 256 bytes come first in the vocabulary.
private struct Directory {
    private let folder = Folder()

    init(files: [String: String]) throws {
        for (name, text) in files { try Data(text.utf8).write(to: URL(filePath: folder.path(name))) }
    }

    init(words: [String], merges: [String]) throws {
        try self.init(files: [
            "vocab.json": Self.vocabulary(words).text(), "merges.txt": (["#version: 0.2"] + merges).joined(separator: "\n") + "\n",
        ])
    }

    /// The same as a `tokenizer.json`.
    init(words: [String], merges: [String], added: [String]) throws {
        let model: JSON = .object([
            "type": .string("BPE"), "vocab": Self.vocabulary(words),
            "merges": .array(merges.map { .array($0.split(separator: " ").map { .string(String($0)) }) }),
        ])
        try self.init(files: [
            "tokenizer.json": """
            {"added_tokens": [\(added.joined(separator: ","))], "normalizer": null,
             "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "use_regex": true}, "model": \(model.text())}
            """
        ])
    }

    func open() throws -> any Tokenizer { try openTokenizer(directory: folder.path) }

    private static func vocabulary(_ words: [String]) -> JSON {
        let bytes = (0...255).map { ByteAlphabet.spelling(of: $0) }
        return .object(Dictionary(uniqueKeysWithValues: (bytes + words).enumerated().map { ($1, .integer($0)) }))
    }
}

/// SplitMix64, https://prng.di.unimi.it/splitmix64.c
private struct SplitMix: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}
