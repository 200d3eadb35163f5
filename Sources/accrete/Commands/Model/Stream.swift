import ArgumentParser
import Configuration
import Files
import Foundation
import Model
import OnlineLanguage
import Statistics
import Tensors
import Tokenization
import Yams

/// Reads a text once and tells how well it was predicted.
struct Stream: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Reads a text once, predicting every byte before learning from it, and prints the code length.",
        discussion: """
            The prequential code length, in bits per byte, is what a compressor built on the model would need: what is learned from a \
            byte can only help with those after it. Beside it stands the same model left frozen, which learns nothing.

            Without --model, a model of bytes starts from nothing; any file will do, and nothing needs to be set. With --model, a GPT-2 \
            is fine-tuned as it reads: it predicts some tokens, then takes a step on them, what precedes them, and earlier windows.

            --config takes a YAML or JSON file with any of these settings:
            \(settings(ByteLearner.Configuration()))
              memory    the most memory for what was seen, in MiB
              rate      how fast the weights of the contexts' opinions follow the text
            and with --model:
            \(settings(TokenLearner.Configuration()))
              fresh     tokens predicted before the next step
              window    tokens that a prediction and a step look back over
              replays   earlier windows learned again in every step
              rate      Adam's rate, times the model's width
              seed      of the choice of earlier windows

            Examples:
              accrete model stream --text book.txt
              accrete model stream --text book.txt --model gpt2 --json
            """
    )

    @Option(help: ArgumentHelp("The text, or any other file.", valueName: "file"))
    var text: String

    @Option(help: ArgumentHelp("A Hugging Face GPT-2 directory to go on from.", valueName: "dir"))
    var model: String?

    @Option(help: ArgumentHelp("Settings, in YAML or JSON.", valueName: "file"))
    var config: String?

    @Flag(help: "Print one JSON object and nothing else: bytes, bitsPerByte, frozenBitsPerByte, seconds.")
    var json = false

    func run() throws {
        let bytes = try readText(text)
        var race = Race(bytes: bytes.count, isSilent: json)
        if let model {
            try streamTokens(bytes, directory: model, &race)
        } else {
            try streamBytes(bytes, &race)
        }
        print(json ? race.json : race.sentence)
    }

    private func streamBytes(_ bytes: [UInt8], _ race: inout Race) throws {
        let settings = try given(ByteLearner.Configuration())
        let learner = ByteLearner(settings, expectedBytes: bytes.count)
        let frozen = ByteLearner(settings, expectedBytes: bytes.count, learning: false)
        for byte in bytes {
            learner.read(byte, &race.learned)
            frozen.read(byte, &race.frozen)
            race.report(every: 65536)
        }
    }

    private func streamTokens(_ bytes: [UInt8], directory: String, _ race: inout Race) throws {
        let settings = try given(TokenLearner.Configuration())
        let (model, parameters) = try GPT2.open(directory: directory)
        let tokenizer = try openTokenizer(directory: directory)
        let team = Team(count: ProcessInfo.processInfo.activeProcessorCount)
        // A tokenizer may know a token that ends texts and the model not.
        let start = tokenizer.endOfText.flatMap { $0 < model.configuration.vocabularySize ? $0 : nil }
        let frozen = TokenLearner(model, parameters: parameters.copy(), start: start, settings, learning: false, team: team)
        let learner = TokenLearner(model, parameters: parameters, start: start, settings, team: team)
        let tokens = tokenizer.encode(bytes)
        for place in stride(from: 0, to: tokens.count, by: learner.fresh) {
            let next = tokens[place..<min(place + learner.fresh, tokens.count)]
            let length = try tokenizer.decode(Array(next)).count
            race.learned.add(bits: try learner.read(next), bytes: length)
            race.frozen.add(bits: try frozen.read(next), bytes: length)
            race.report(every: 4096)
        }
    }

    private func given<S: Settings>(_ defaults: S) throws -> S {
        guard let config else { return defaults }
        let text = try readFile(config, atMost: Self.configurationLimit, streams: true)
        do {
            var settings = defaults
            try settings.lay(YAMLDecoder().decode(JSONValue.self, from: Data(text)))
            return settings
        } catch let error as SettingsError {
            throw ValidationError("\(config): \(error)")
        } catch {
            throw ValidationError("\(config) is neither YAML nor JSON.")
        }
    }

    /// Most bytes that are read of a file of settings.
    private static let configurationLimit = 1 << 20

    private static func settings(_ defaults: some Settings) -> String { "  \(defaults.json)" }
}

/// A model that learns and the same model left frozen, over one text.
private struct Race {
    var learned = CodeLength()
    var frozen = CodeLength()

    private let total: Int
    private let isSilent: Bool
    private var reported = 0
    private let start = ContinuousClock.now

    init(bytes: Int, isSilent: Bool) {
        total = bytes
        self.isSilent = isSilent
    }

    private var seconds: Double { start.duration(to: .now) / .seconds(1) }

    /// Tells how far it is, whenever so many more bytes have been read.
    mutating func report(every step: Int) {
        guard !isSilent, learned.bytes / step > reported else { return }
        reported = learned.bytes / step
        let line = String(
            format: "%9d of %d bytes  %.3f bits per byte, frozen %.3f  %.1f kB/s\n", learned.bytes, total, learned.bitsPerByte,
            frozen.bitsPerByte, Double(learned.bytes) / seconds / 1000)
        StandardError.write(line)
    }

    var sentence: String {
        String(format: "%d bytes: %.4f bits per byte; frozen %.4f; %.1f s", learned.bytes, learned.bitsPerByte, frozen.bitsPerByte, seconds)
    }

    var json: String {
        String(
            format: #"{"bytes": %d, "bitsPerByte": %.5f, "frozenBitsPerByte": %.5f, "seconds": %.2f}"#, learned.bytes,
            learned.bitsPerByte, frozen.bitsPerByte, seconds)
    }
}
