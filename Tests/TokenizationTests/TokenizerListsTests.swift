import FilesTesting
import Foundation
import StrictJSON
import Testing

@testable import Tokenization

@Suite struct TokenizerListsTests {
    private let folder = Folder()

    private func write(_ files: [String: String]) throws -> String {
        let path = folder.path(UUID().uuidString)
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        for (name, text) in files { try Data(text.utf8).write(to: URL(filePath: "\(path)/\(name)")) }
        return path
    }

    /// Letters, digits and some merges; two special tokens, of which one has an id beyond a gap, and one that is not special.
    private static func tokenizer(_ preTokenizer: String, postProcessor: String = "null") -> String {
        let letters = (UInt8(33)...126).map { "\"\($0 == 34 || $0 == 92 ? "\\" : "")\(Character(Unicode.Scalar($0)))\":\($0 - 33)" }
        let words = letters + [#""Ġ":94,"Ċ":95,"th":96,"the":97,"Ġthe":98,"12":99,"<|end|>":101,"123":102,"<t>":103"#]
        return
            #"{"added_tokens":[{"id":101,"content":"<|end|>","special":true},"#
            + #"{"id":103,"content":"<t>","special":false,"normalized":false}],"#
            + #""pre_tokenizer":\#(preTokenizer),"post_processor":\#(postProcessor),"model":{"type":"BPE","vocab":{"#
            + words.joined(separator: ",") + #"},"merges":["t h","th e","Ġ the",["1","2"],"12 3"]}}"#
    }

    private static let bytes = #"{"type":"ByteLevel","add_prefix_space":false,"use_regex":"#

    static let preTokenizers: [(WordPattern, String)] = [
        (.gpt2, bytes + "true}"),
        (
            .singleDigits,
            #"{"type":"Sequence","pretokenizers":[{"type":"Digits","individual_digits":true},\#(bytes)true}]}"#
        ),
        (.llama3, split(WordPattern.llama3)), (.qwen2, split(WordPattern.qwen2)),
    ]

    private static func split(_ pattern: WordPattern) -> String {
        let regex = JSON.string(pattern.expression ?? "").text()
        return
            #"{"type":"Sequence","pretokenizers":[{"type":"Split","pattern":{"Regex":\#(regex)},"behavior":"Isolated"},\#(bytes)false}]}"#
    }

    @Test(arguments: preTokenizers)
    func whatIsReadFromFilesIsWrittenToFilesWithTheSameIds(pattern: WordPattern, preTokenizer: String) throws {
        let path = try write([
            "tokenizer.json": Self.tokenizer(preTokenizer),
            "tokenizer_config.json": #"{"eos_token":"<|end|>","chat_template":"{{ \"x\" }}"}"#,
        ])
        let lists = try TokenizerLists(directory: path)
        #expect(lists.pattern == pattern && lists.words.count == 104 && lists.merges.count == 5)
        #expect(lists.words[100] == "[PAD100]" && lists.kinds[100] == .unused)
        #expect(lists.kinds[101] == .control && lists.words[103] == "<t>" && lists.kinds[103] == .userDefined && lists.kinds[97] == .normal)
        #expect(lists.roles == [.end: 101] && lists.chatTemplate == #"{{ "x" }}"# && !lists.addsBeginning)
        let again = try write(lists.files(positions: 64))
        #expect(try TokenizerLists(directory: again) == lists)
        let (first, second) = (try openTokenizer(directory: path), try openTokenizer(directory: again))
        for text in ["the 123 the\n\n<|end|>1234, it's<t>", "", "x the<|end|", "12 The 'S"] {
            #expect(first.encode(text) == second.encode(text), "\(text)")
        }
        #expect(second.endOfText == 101)
    }

    @Test func anAddedTokenWithTheIdOfAWordIsRefused() throws {
        let file = Self.tokenizer(Self.bytes + "true}").replacingOccurrences(of: #","<t>":103"#, with: "")
        #expect {
            try TokenizerLists(directory: write(["tokenizer.json": file]))
        } throws: {
            "\($0)".contains(#"the added token "<t>" and the word "123" are both 102"#)
        }
    }

    @Test func aTokenBeforeEveryTextIsKept() throws {
        let processor = #"{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"<|end|>","type_id":0}},{"Sequence":{"id":"A"}}]}"#
        let path = try write(["tokenizer.json": Self.tokenizer(Self.bytes + "true}", postProcessor: processor)])
        let lists = try TokenizerLists(directory: path)
        #expect(lists.addsBeginning && lists.roles == [.beginning: 101])
        #expect(try TokenizerLists(directory: write(lists.files(positions: 64))) == lists)
    }

    @Test func idsUpToASizeAreNamedSoThatNoNameOccursTwice() throws {
        let lists = TokenizerLists(words: ["a", "[PAD2]"], kinds: [.normal, .normal], merges: [], pattern: .gpt2).padded(to: 4)
        #expect(lists.words == ["a", "[PAD2]", "[[PAD2]]", "[PAD3]"] && lists.kinds == [.normal, .normal, .unused, .unused])
        let files = lists.files(positions: 8)
        #expect(files["tokenizer.json"]?.contains("PAD3") == false && files["tokenizer.json"]?.contains("PAD2") == true)
    }

    @Test func aDirectoryWithoutATokenizerIsRefused() throws {
        let path = try write(["config.json": "{}"])
        #expect {
            try TokenizerLists(directory: path)
        } throws: {
            "\($0)".contains("tokenizer.json cannot be read: it is missing")
        }
    }

    @Test func theTemplateCalledDefaultAndTheTemplateFileAreFound() throws {
        let file = Self.tokenizer(Self.bytes + "true}")
        let named = #"{"chat_template":[{"name":"tool","template":"t"},{"name":"default","template":"d"}]}"#
        #expect(try TokenizerLists(directory: write(["tokenizer.json": file, "tokenizer_config.json": named])).chatTemplate == "d")
        #expect(try TokenizerLists(directory: write(["tokenizer.json": file, "chat_template.jinja": "j"])).chatTemplate == "j")
    }
}
