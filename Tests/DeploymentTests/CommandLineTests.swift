import Files
import FilesTesting
import Foundation
import Model
import Statistics
import Tensors
import Testing

/// The command line tool, run from a shell.
@Suite struct CommandLineTests {
    private let folder = Folder()

    /// A GPT-2 of bytes, and a text.
    private func prepare() throws {
        let model = GPT2(GPT2Configuration(vocabularySize: 257, positions: 16, width: 8, layers: 1, heads: 2))
        var random = RandomSource(seed: 1)
        try model.save(model.initialStore(of: Float.self, using: &random), to: folder.path("model"))
        try replaceFile(at: folder.path("text"), with: String(repeating: "to be or not to be ", count: 20))
        try replaceFile(at: folder.path("x.csv"), with: "x\n1\n2\n")
    }

    /// The output of a shell command, including standard error unless it is redirected; `$ACC` is the executable.
    private func shell(_ command: String) throws -> (status: Int32, output: String) {
        let process = Process(), pipe = Pipe()
        process.executableURL = URL(filePath: "/bin/bash")
        process.arguments = ["-c", command]
        process.currentDirectoryURL = URL(filePath: folder.path)
        process.environment = ProcessInfo.processInfo.environment.merging(["ACC": Graph.executables + "/accrete"]) { $1 }
        process.standardOutput = pipe
        process.standardError = pipe
        process.standardInput = FileHandle.nullDevice
        try process.run()
        let output = String(decoding: pipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        return (process.terminationStatus, output)
    }

    private static let commands = [
        "tokenize --model model < text", "tokenize --model model --decode <<< '104 105'", "model score --model model --text text --json",
        "model score --model model --text text", "generate --model model --prompt a --tokens 3",
        "generate --model model --prompt a --tokens 3 --json",
        "drift --detector EveryN --column x x.csv --json", "model stream --text text --json",
        "model train --model model --text text --out out --steps 1",
        "model train --model model --text text --out out --estimate --json", "validate", "validate --schema", "--help", "--version",
        "model train --help",
    ]

    @Test(arguments: commands, ["> /dev/full", ">&-"])
    func outputThatIsLostIsAFailure(command: String, redirection: String) throws {
        try prepare()
        let (status, output) = try shell("$ACC \(command) \(redirection)")
        #expect(status == 1)
        let causes = [redirection == ">&-" ? "Bad file descriptor" : "No space left on device", "a part of it is lost"]
        #expect(causes.contains { output.contains("standard output cannot be written: \($0)") }, "\(output)")
    }

    @Test(arguments: ["2> /dev/full", "2>&-", "2> >(exit)"])
    func progressThatIsLostEndsNothing(redirection: String) throws {
        try prepare()
        #expect(try shell("$ACC model train --model model --text text --out out --steps 2 \(redirection)").status == 0)
        #expect(try shell("$ACC generate --model out --prompt a --tokens 2 \(redirection)").status == 0)
        #expect(try shell("$ACC model stream --text text \(redirection)").status == 0)
        #expect(try shell("$ACC generate --model nowhere --prompt a \(redirection)").status == 1)
    }

    @Test func aReaderThatGoesEndsTheCommandQuietly() throws {
        try prepare()
        let (status, output) = try shell(
            "set -o pipefail; $ACC generate --model model --prompt a --tokens 100000 --repetition-penalty 2 2>&1 | head -c 1")
        #expect(output == "a" && [0, 128 + SIGPIPE].contains(status))
    }

    @Test func inputThatIsClosedOrADirectoryIsRefused() throws {
        try prepare()
        let closed = try shell("$ACC tokenize --model model <&-"), directory = try shell("$ACC tokenize --model model < model")
        #expect(closed == (1, "Error: standard input cannot be read: Bad file descriptor\n"))
        #expect(directory == (1, "Error: standard input cannot be read: Is a directory\n"))
        for command in [
            "model score --model model --text model", "model train --model model --text model --out out", "model stream --text model",
            "drift --detector ADWIN --column x model",
        ] {
            let (status, output) = try shell("$ACC \(command)")
            #expect(status == 1 && output.contains("directory"), "\(output)")
        }
    }

    @Test func aPipeIsATextAndNothingElse() throws {
        try prepare()
        let file = try shell("$ACC model score --model model --text text --json")
        #expect(file.status == 0)
        #expect(try shell("$ACC model score --model model --text <(cat text) --json") == file)
        #expect(try shell("cat text | $ACC model score --model model --text /dev/stdin --json") == file)
        #expect(
            try shell("$ACC drift --detector EveryN --settings '{\"every\":1}' --column x <(cat x.csv) --json") == (0, "{\"at\":[0,1]}\n"))
        let refused = try shell("rm model/model.safetensors; mkfifo model/model.safetensors; $ACC model score --model model --text text")
        #expect(refused.status == 1 && refused.output.contains("is a pipe, not a regular file"), "\(refused.output)")
    }

    /// A byte-level tokenizer of 256 bytes and an end of text, as JSON.
    private var byteTokenizer: String {
        var letters: [UInt32] = [], other: UInt32 = 256
        for byte in 0..<256 as Range<UInt32> {
            if (33...126).contains(byte) || (161...172).contains(byte) || byte >= 174 {
                letters.append(byte)
            } else {
                letters.append(other)
                other += 1
            }
        }
        let words = letters.enumerated().map { "\"\\u\(String(format: "%04x", $1))\":\($0)" }.joined(separator: ",")
        return #"{"added_tokens":[{"id":256,"content":"<|end|>","special":true}],"#
            + #""pre_tokenizer":{"type":"ByteLevel","add_prefix_space":false},"model":{"type":"BPE","vocab":{"# + words
            + #","<|end|>":256},"merges":[]}}"#
    }

    /// A version beyond its margin is refused, and leaves no file.
    @Test(arguments: ["int8", "int4/int8", "pruned:0.5", "pruned:0.25+int5"])
    func aCompressedModelIsWrittenIfItIsWithinItsMargin(version: String) throws {
        let model = GPT2(GPT2Configuration(vocabularySize: 257, positions: 32, width: 32, layers: 2, heads: 2))
        var random = RandomSource(seed: 3)
        let store = model.initialStore(of: Float.self, using: &random)
        for i in store.values.indices { store.values[i] *= 4 }
        try model.save(store, to: folder.path("model"))
        try replaceFile(at: folder.path("model/tokenizer.json"), with: byteTokenizer)
        try replaceFile(at: folder.path("text"), with: (0..<400).map { "\($0 * $0 % 97) and " }.joined())
        let command = "$ACC model compress --model model --to \(version) --calibrate text --recover 3 --json"
        for (option, name) in [("--margin 0", "strict"), ("--margin 1000", "lax"), ("--margin 0 --force", "forced")] {
            let (status, output) = try shell("\(command) \(option) \(name).gguf 2>&-")
            let line = try #require(JSONSerialization.jsonObject(with: Data(output.utf8)) as? [String: Any], "\(output)")
            let loss = try #require(line["lossPercent"] as? Double), isWritten = name != "strict" || loss <= 0
            #expect(line["written"] as? Bool == isWritten && status == (isWritten ? 0 : 1), "\(output)")
            #expect(FileManager.default.fileExists(atPath: folder.path("\(name).gguf")) == isWritten)
            #expect(line["bytes"] as? Int ?? 0 > 0 && line["bytesBefore"] as? Int ?? 0 > line["bytes"] as? Int ?? 0)
        }
        #expect(!(try FileManager.default.contentsOfDirectory(atPath: folder.path).contains { $0.contains("candidate") }))
        let score = try shell(
            "$ACC model score --model lax.gguf --text text --json && $ACC generate --model lax.gguf --prompt 1 --tokens 3")
        #expect(score.status == 0, "\(score.output)")
        let own = try shell("$ACC model compress --model lax.gguf --to int8 lax.gguf")
        #expect(own.status != 0 && own.output.contains("is the model itself"), "\(own.output)")
    }

    private static let numbers: [(command: String, option: String, values: [String])] = {
        let train = "model train --model model --text text --out out --estimate"
        let counts = ["-1", "9223372036854775807"], positive = counts + ["0"], reals = ["nan", "inf", "-1", "1e300"]
        return [
            (train, "--time", positive), (train, "--batch", positive), (train, "--accumulate", positive), (train, "--epochs", positive),
            (train, "--steps", positive),
            (train, "--checkpoint-every", positive), (train, "--memory-limit", positive), (train, "--threads", positive + ["100000"]),
            (train, "--rank", positive),
            (train, "--warmup", counts), (train, "--seed", ["-1"]), (train, "--rate", reals), (train, "--weight-decay", reals),
            (train, "--clip", reals),
            (train, "--alpha", reals + ["0"]), ("model compress --model model --to int8 out.gguf", "--tokens", positive),
            ("model compress --model model --to int8 out.gguf", "--margin", reals),
            ("model score --model model --text text", "--stride", positive + ["17"]),
            ("generate --model model --prompt a", "--tokens", counts), ("generate --model model --prompt a", "--top-k", counts),
            ("generate --model model --prompt a", "--temperature", reals),
            ("generate --model model --prompt a", "--top-p", reals + ["0", "1.1"]),
            ("chat --model model", "--tokens", counts), ("chat --model model", "--context", positive),
            ("generate --model model --prompt a", "--repetition-penalty", reals + ["0", "1e-300"]), ("status", "--seconds", reals),
            ("explain --moment a/1", "--seconds", reals), ("tap", "--count", positive), ("order", "--rate", reals + ["0"]),
        ]
    }()

    @Test(arguments: numbers)
    func aNumberOutsideItsRangeIsRefusedByTheNameOfItsOption(command: String, option: String, values: [String]) throws {
        try prepare()
        for value in values {
            let (status, output) = try shell("$ACC \(command) \(option)=\(value)")
            #expect(status == 64 && output.hasPrefix("Error: \(option) is "), "\(option) \(value): \(output)")
        }
    }

    @Test func aMemoryThatCouldNotBeWrittenIsRefusedBeforeTheText() throws {
        try prepare()
        let refused = try shell("$ACC generate --model model --prompt a --tokens 3 --remember nowhere/memory")
        #expect(refused == (1, "Error: nowhere/memory cannot be written: No such file or directory\n"))
        #expect(try shell("$ACC generate --model model --prompt a --tokens 3 --remember memory").status == 0)
        #expect(fileExists(folder.path("memory")))
    }

    @Test func memoryBeyondAnyMachineIsToldAndRefused() throws {
        try prepare()
        let (status, output) = try shell(
            "$ACC model train --model model --text text --out out --estimate --batch 65536 --accumulate 1048576 --epochs 1073741824 "
                + "--memory-limit 8796093022207")
        #expect(status == 0 && output.contains("MiB"), "\(output)")
        #expect(try shell("$ACC model train --model model --text text --out out --estimate --batch 65536 --memory-limit 1").status == 64)
    }

    /// A GPT-2 of bytes whose tokenizer has the special tokens of ChatML.
    private func prepareChat() throws {
        let model = GPT2(GPT2Configuration(vocabularySize: 258, positions: 128, width: 8, layers: 1, heads: 2))
        var random = RandomSource(seed: 1)
        try model.save(model.initialStore(of: Float.self, using: &random), to: folder.path("chat"))
        // GPT-2's byte alphabet: printable bytes are themselves, the others follow from U+0100 on.
        let printable = Set(33...126).union(161...172).union(174...255)
        let others = (0..<256).filter { !printable.contains($0) }
        var vocabulary: [String: Int] = [:]
        for byte in 0..<256 {
            let scalar = UnicodeScalar(UInt32(others.firstIndex(of: byte).map { 256 + $0 } ?? byte))
            if let scalar { vocabulary[String(scalar)] = byte }
        }
        try JSONEncoder().encode(vocabulary).write(to: URL(filePath: folder.path("chat/vocab.json")))
        try replaceFile(at: folder.path("chat/merges.txt"), with: "#version: 0.2\n")
        try replaceFile(
            at: folder.path("chat/tokenizer_config.json"),
            with: """
                {"tokenizer_class": "GPT2Tokenizer", "bos_token": "<|im_end|>", "eos_token": "<|im_end|>", "unk_token": "<|im_end|>",
                "added_tokens_decoder": {"256": {"content": "<|im_start|>", "special": true}, "257": {"content": "<|im_end|>", "special": true}}}
                """)
    }

    @Test func aConversationAnswersEveryLineAndDropsItsOldestTurns() throws {
        try prepareChat()
        let lines = ["hello", "", "<|im_start|>system", String(repeating: "x", count: 200), "bye"]
        let (status, output) = try shell(
            "printf '\(lines.joined(separator: "\\n"))' | $ACC chat --model chat --json --tokens 8 --context 100 --repetition-penalty 2")
        let answers = try output.split(separator: "\n").map { try JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any] }
        #expect(status == 0 && answers.count == 4, "\(output)")
        #expect(answers.map { $0?["droppedTurns"] as? Int } == [0, 0, nil, 2], "\(output)")
        #expect((answers[0]?["tokens"] as? [Int])?.isEmpty == false)
        #expect((answers[2]?["error"] as? String)?.contains("leaves no room for an answer") == true)
        #expect(
            try shell("printf 'hello' | $ACC chat --model chat --json --tokens 8 --context 100 --repetition-penalty 2").output
                == output.prefix {
                    $0 != "\n"
                } + "\n")
    }

    @Test func aModelOfNoKnownFormatIsToldHowToBeGivenOne() throws {
        try prepare()
        let (status, output) = try shell("$ACC chat --model model < text")
        #expect(status == 1 && output.contains("--format"), "\(output)")
        let other = try shell("$ACC chat --model model --format llama3 < text")
        #expect(other.status == 1 && other.output.contains("has no special token <|start_header_id|>"), "\(other.output)")
        #expect(try shell("$ACC generate --model model --prompt abcdef --context 3").output.contains("the model's context has 3"))
    }
}
