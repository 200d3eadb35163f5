import ArgumentParser
import Configuration
import Files
import Foundation
import Model
import OnlineLanguage
import Statistics
import StrictJSON
import Tensors
import Tokenization
import Yams

/// `accrete model stream`: learns a text online and prints its prequential code length.
struct Stream: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Read a text once, predicting every byte before learning from it, and print the code length.",
        discussion: """
            The prequential code length, in bits per byte, is the size that a compressor based on the model would achieve: what is learned \
            from a byte can improve the prediction of later bytes only. It is printed together with that of the frozen baseline, the same \
            model without learning.

            Without --model, an untrained model of bytes is used, which accepts any file and needs no settings. With --model, a language \
            model is fine-tuned online: it predicts some tokens, given those before them, then takes a step on them. A memory of what \
            followed which tokens takes part in the predictions. The frozen baseline reads in the same steps, with the same context.

            --config is a YAML or JSON file with any of these settings:
            \(settings(ByteLearner.Configuration()))
              memory    maximum memory of the context table, in MiB
              rate      learning rate of the weights by which the contexts' predictions are mixed
            and with --model:
            \(settings(TokenLearner.Configuration()))
              fresh       number of tokens predicted between two steps
              context     maximum number of earlier tokens that are attended to
              scope       what learns: all, last:N blocks, head (with all norms), lora (adapters)
              rank        rank of the adapters
              rate        Adam's learning rate times the model's width; adapters need about 50 times that of all parameters
              replays     number of earlier windows replayed in every step
              seed        seed of the choice of earlier windows, and of the adapters
              remembers   whether a memory takes part in predictions
              memory      capacity (tokens kept), candidates (for the next token), occurrences (of a context that are looked at), and \
            rate (of learning how far to trust it)

            Examples:
              accrete model stream --text book.txt
              accrete model stream --text book.txt --model gpt2 --json
              accrete model stream --text book.txt --model smollm2.gguf --remember book.memory
            """
    )

    @Option(help: ArgumentHelp("The text, or any other file.", valueName: "file"))
    var text: String

    @Option(help: ArgumentHelp("A Hugging Face directory (gpt2, llama, mistral, qwen2), or a GGUF file.", valueName: "dir"))
    var model: String?

    @Option(help: ArgumentHelp("Settings, in YAML or JSON.", valueName: "file"))
    var config: String?

    @OptionGroup var memories: RememberOption

    @Flag(
        help: """
            Print one JSON object and nothing else: bytes, bitsPerByte, frozenBitsPerByte, seconds; of these, learningSeconds and \
            frozenSeconds; with --model, bitsPerByteWithoutMemory.
            """)
    var json = false

    func validate() throws {
        if model == nil, memories.remember != nil { throw ValidationError("--remember needs --model: it remembers tokens.") }
    }

    func run() throws {
        let bytes = try readText(text)
        var comparison = Comparison(bytes: bytes.count, isSilent: json)
        if let model {
            try streamTokens(bytes, path: model, &comparison)
        } else {
            try streamBytes(bytes, &comparison)
        }
        print(json ? comparison.json : comparison.sentence)
    }

    private func streamBytes(_ bytes: [UInt8], _ comparison: inout Comparison) throws {
        let settings = try given(ByteLearner.Configuration())
        let learner = ByteLearner(settings, expectedBytes: bytes.count)
        let frozen = ByteLearner(settings, expectedBytes: bytes.count, learning: false)
        for start in stride(from: 0, to: bytes.count, by: Self.bytesAtOnce) {
            let part = bytes[start..<min(start + Self.bytesAtOnce, bytes.count)]
            comparison.learned.time { code in for byte in part { learner.read(byte, &code) } }
            comparison.frozen.time { code in for byte in part { frozen.read(byte, &code) } }
            comparison.report(every: 65536)
        }
    }

    private func streamTokens(_ bytes: [UInt8], path: String, _ comparison: inout Comparison) throws {
        let settings = try given(TokenLearner.Configuration())
        let opened = try TrunkModel(path: path)
        let tokenizer = try openTokenizer(path: path)
        let team = Team(count: ProcessInfo.processInfo.activeProcessorCount)
        // The tokenizer's token for the end of a text may be missing from the model's vocabulary.
        let start = tokenizer.endOfText.flatMap { $0 < opened.trunk.vocabularySize ? $0 : nil }
        let frozen = TokenLearner(opened.trunk, parameters: opened.parameters.copy(), start: start, settings, learning: false, team: team)
        let memory = try memories.open(vocabularySize: opened.trunk.vocabularySize, settings.memory)
        let learner = TokenLearner(
            opened.trunk, parameters: opened.parameters, start: start, settings, memory: memory, team: team)
        let tokens = tokenizer.encode(bytes)
        var withoutMemory = CodeLength()
        for place in stride(from: 0, to: tokens.count, by: learner.fresh) {
            let next = tokens[place..<min(place + learner.fresh, tokens.count)]
            let length = try tokenizer.decode(Array(next)).count
            try comparison.learned.time { code in
                let reading = try learner.read(next)
                code.add(bits: reading.bits, bytes: length)
                withoutMemory.add(bits: reading.bitsWithoutMemory, bytes: length)
            }
            try comparison.frozen.time { code in code.add(bits: try frozen.read(next).bits, bytes: length) }
            comparison.report(every: 4096)
        }
        comparison.withoutMemory = withoutMemory
        try memories.save(learner.memory)
    }

    /// The number of bytes that are read by one model before the other reads them.
    private static let bytesAtOnce = 4_096

    private func given<S: Settings>(_ defaults: S) throws -> S {
        guard let config else { return defaults }
        let text = try readFile(config, atMost: Self.configurationLimit, streams: true)
        do {
            var settings = defaults
            try settings.merge(YAMLDecoder().decode(JSON.self, from: Data(text)))
            return settings
        } catch let error as SettingsError {
            throw ValidationError("\(config): \(error)")
        } catch {
            throw ValidationError("\(config) is neither YAML nor JSON.")
        }
    }

    /// The maximum size of a file of settings, in bytes.
    private static let configurationLimit = 1 << 20

    private static func settings(_ defaults: some Settings) -> String { "  \(defaults.json)" }
}

/// What a model has read: its code length, and the time that it took.
private struct TimedReading {
    private(set) var code = CodeLength()
    private(set) var seconds = 0.0

    mutating func time(_ read: (inout CodeLength) throws -> Void) rethrows {
        let start = ContinuousClock.now
        try read(&code)
        seconds += start.duration(to: .now) / .seconds(1)
    }
}

/// The readings of a learning model and of the frozen baseline.
private struct Comparison {
    var learned = TimedReading()
    var frozen = TimedReading()
    /// The learning model's code length without its memory, if it has one.
    var withoutMemory: CodeLength?

    private let total: Int
    private let isSilent: Bool
    private var reported = 0
    private let start = ContinuousClock.now

    init(bytes: Int, isSilent: Bool) {
        total = bytes
        self.isSilent = isSilent
    }

    private var seconds: Double { start.duration(to: .now) / .seconds(1) }

    /// Prints the progress after every `step` bytes.
    mutating func report(every step: Int) {
        guard !isSilent, learned.code.bytes / step > reported else { return }
        reported = learned.code.bytes / step
        let line = String(
            format: "%9d of %d bytes  %.3f bits per byte, frozen %.3f  %.1f kB/s\n", learned.code.bytes, total, learned.code.bitsPerByte,
            frozen.code.bitsPerByte, Double(learned.code.bytes) / seconds / 1000)
        StandardError.write(line)
    }

    var sentence: String {
        let memory = withoutMemory.map { String(format: " (%.4f without memory)", $0.bitsPerByte) } ?? ""
        return String(format: "%d bytes: %.4f bits per byte", learned.code.bytes, learned.code.bitsPerByte) + memory
            + String(
                format: "; frozen %.4f; %.1f s, of which %.1f frozen", frozen.code.bitsPerByte, seconds, frozen.seconds)
    }

    var json: String {
        let memory = withoutMemory.map { String(format: #", "bitsPerByteWithoutMemory": %.5f"#, $0.bitsPerByte) } ?? ""
        return String(
            format: #"{"bytes": %d, "bitsPerByte": %.5f, "frozenBitsPerByte": %.5f, "seconds": %.2f"#, learned.code.bytes,
            learned.code.bitsPerByte, frozen.code.bitsPerByte, seconds)
            + String(format: #", "learningSeconds": %.2f, "frozenSeconds": %.2f"#, learned.seconds, frozen.seconds) + memory + "}"
    }
}
