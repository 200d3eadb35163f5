import FilesTesting
import Foundation
import Testing

@testable import Tokenization

/// What `Tests/Golden/tokenization.py` wrote.
private struct Case: Decodable, CustomTestStringConvertible {
    let name: String
    let files: [String: String]
    let texts: [String]
    let ids: [[Int]]

    var testDescription: String { name }

    static let all: [Case] = {
        let file = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../Golden/tokenization.json").standardizedFileURL
        guard let data = try? Data(contentsOf: file), let cases = try? JSONDecoder().decode([Case].self, from: data) else { return [] }
        return cases
    }()
}

@Test func theReferencesCasesAreThere() { #expect(Case.all.count > 35) }

@Test(arguments: Case.all)
private func filesGiveTheIdsOfHuggingFace(test: Case) throws {
    let tokenizer = try opened(test.files)
    for (text, ids) in zip(test.texts, test.ids) { #expect(tokenizer.encode(text) == ids, "\(text.debugDescription)") }
}

/// Bytes without a token are lost; those of `unk_token` are decoded as its content.
@Test(arguments: Case.all.filter { !$0.name.contains("left out") && !$0.name.contains("unknown") && !$0.name.contains("few letters") })
private func whatWasReadComesBack(test: Case) throws {
    let tokenizer = try opened(test.files)
    // Added tokens take spaces along, a space may stand before.
    for text in ["the cat é", "§ ç ¡hola! «»", "a<|x|>b"] where !test.name.contains("space") {
        #expect(try String(decoding: tokenizer.decode(tokenizer.encode(text)), as: UTF8.self) == text)
    }
}

@Test(arguments: [
    (#""normalizer":{"type":"Sequence","normalizers":[{"type":"NFC"},{"type":"NFKC"}]}"#, #"the normalizer {"type":"NFKC"}"#),
    (#""normalizer":{"type":"Strip","strip_left":true,"strip_right":false}"#, "the normalizer"),
    (#""pre_tokenizer":{"type":"Sequence","pretokenizers":[]}"#, "the pre-tokenizer"),
    (#""pre_tokenizer":{"type":"Sequence","pretokenizers":[{"type":"Digits"},{"type":"ByteLevel"}]}"#, "the pre-tokenizer"),
    (#""pre_tokenizer":null"#, "the pre-tokenizer null"),
    (#""pre_tokenizer":{"type":"ByteLevel","use_regex":false}"#, "the pre-tokenizer"),
])
func partsThatAreNotUnderstoodAreNamed(part: String, sentence: String) {
    let others = [#""normalizer":null"#, #""pre_tokenizer":{"type":"ByteLevel"}"#].filter { $0.prefix(8) != part.prefix(8) }
    let file = "{" + ([part, #""model":{"type":"BPE","vocab":{"a":0},"merges":[]}"#] + others).joined(separator: ",") + "}"
    expectRefusal(["tokenizer.json": file], saying: sentence)
}

@Test(arguments: [
    (["tokenizer_config.json": #"{"tokenizer_class":"Qwen2TokenizerFast"}"#], "the tokenizer class Qwen2TokenizerFast"),
    (["config.json": #"{"model_type":"qwen2"}"#], "the tokenizer of qwen2"),
    (["config.json": #"{"model_type":"gpt2","tokenizer_class":"CLIPTokenizer"}"#], "the tokenizer class CLIPTokenizer"),
    (["tokenizer_config.json": #"{"eos_token":5}"#], "eos_token is not a token"),
    (["tokenizer_config.json": #"{"added_tokens_decoder":{"x":{"content":"y"}}}"#], #"added_tokens_decoder["x"] is not a token"#),
    (["special_tokens_map.json": "[]"], "an object was expected"),
    (["vocab.json": #"{"a":9000000}"#], "the token 9000000 is out of range for 1 words"),
])
func filesBesideAVocabularyAreRefusedByName(files: [String: String], sentence: String) {
    expectRefusal(["vocab.json": #"{"a":0}"#, "merges.txt": ""].merging(files) { _, new in new }, saying: sentence)
}

@Test func aByteWithoutATokenNeedsItsUnknownTokenInTheVocabulary() {
    let file = #"{"pre_tokenizer":{"type":"ByteLevel"},"model":{"type":"BPE","vocab":{"a":0},"merges":[],"unk_token":"<unk>"}}"#
    expectRefusal(["tokenizer.json": file], saying: "unk_token \"<unk>\" is not in the vocabulary")
}

/// Qwen 2's tokenizers compose a letter and its accent; special tokens are found before that.
@Test func aTextIsComposedIfTheFileSaysSo() throws {
    let file =
        #"{"added_tokens":[{"id":3,"content":"e\u0301","special":true,"normalized":false}],"normalizer":{"type":"NFC"},"#
        + #""pre_tokenizer":{"type":"ByteLevel","add_prefix_space":false},"#
        + #""model":{"type":"BPE","vocab":{"a":0,"Ã":1,"¡":2,"e\u0301":3},"merges":[]}}"#
    let tokenizer = try opened(["tokenizer.json": file])
    #expect(tokenizer.encode("a\u{301}e\u{301}a") == [1, 2, 3, 0])
    #expect(tokenizer.encode([0x61, 0xC3]) == [0, 1])
    let normalized = try opened(["tokenizer.json": file.replacingOccurrences(of: #""normalized":false"#, with: #""normalized":true"#)])
    #expect(normalized.encode("e\u{301}\u{E9}a") == [3, 3, 0])
    #expect(try opened(["tokenizer.json": file.replacingOccurrences(of: #"{"type":"NFC"}"#, with: "null")]).encode("á") == [1, 2])
}

@Test func theTokenThatEndsATextIsTheConfigurationsOwn() throws {
    let files = ["vocab.json": #"{"a":0,"</s>":1,"<|endoftext|>":2}"#, "merges.txt": ""]
    #expect(try opened(files).endOfText == 2)
    #expect(try opened(files.merging(["tokenizer_config.json": #"{"eos_token":"</s>"}"#]) { _, new in new }).endOfText == 1)
    #expect(try opened(["vocab.json": #"{"a":0}"#, "merges.txt": ""]).endOfText == nil)
}

@Test func aPipeOrADirectoryIsNoVocabulary() throws {
    let folder = Folder()
    try Data("{}".utf8).write(to: URL(filePath: folder.path("merges.txt")))
    try FileManager.default.createDirectory(atPath: folder.path("vocab.json"), withIntermediateDirectories: false)
    #expect(throws: TokenizationError.unreadable(file: folder.path("vocab.json"), "it is a directory, not a regular file")) {
        try openTokenizer(directory: folder.path)
    }
    try FileManager.default.removeItem(atPath: folder.path("vocab.json"))
    #expect(mkfifo(folder.path("vocab.json"), 0o600) == 0)
    #expect(throws: TokenizationError.unreadable(file: folder.path("vocab.json"), "it is a pipe, not a regular file")) {
        try openTokenizer(directory: folder.path)
    }
}

@Test func aVocabularyOfWordPiecesIsARegularFileOfUTF8() throws {
    let folder = Folder()
    func read(_ name: String) throws -> WordPiece { try WordPiece(vocabulary: folder.path(name)) }
    try Data("[UNK]\r\n[CLS]\n[SEP]\nthe\n##re\n".utf8).write(to: URL(filePath: folder.path("good.txt")))
    #expect(try read("good.txt").encode("There?", limit: 9) == [1, 3, 4, 0, 2])
    try Data([0x61, 0xFF]).write(to: URL(filePath: folder.path("bad.txt")))
    #expect(throws: TokenizationError.malformed(file: folder.path("bad.txt"), "it is not UTF-8")) { try read("bad.txt") }
    #expect(mkfifo(folder.path("pipe.txt"), 0o600) == 0)
    #expect(throws: TokenizationError.unreadable(file: folder.path("pipe.txt"), "it is a pipe, not a regular file")) {
        try read("pipe.txt")
    }
}

private func opened(_ files: [String: String]) throws -> any Tokenizer {
    let folder = Folder()
    for (name, text) in files { try Data(text.utf8).write(to: URL(filePath: folder.path(name))) }
    return try openTokenizer(directory: folder.path)
}

private func expectRefusal(_ files: [String: String], saying sentence: String) {
    do {
        _ = try opened(files)
        Issue.record("opened")
    } catch { #expect("\(error)".contains(sentence), "\(error)") }
}
