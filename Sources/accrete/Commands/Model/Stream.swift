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

            Without --model, an untrained model of bytes is used, which accepts any file and needs no settings. With --model, a GPT-2 is \
            fine-tuned online: it predicts some tokens, then takes a step on them, the tokens before them, and earlier windows.

            --config is a YAML or JSON file with any of these settings:
            \(settings(ByteLearner.Configuration()))
              memory    maximum memory of the context table, in MiB
              rate      learning rate of the weights by which the contexts' predictions are mixed
            and with --model:
            \(settings(TokenLearner.Configuration()))
              fresh     number of tokens predicted between two steps
              window    number of tokens in the context of a prediction and in a step
              replays   number of earlier windows replayed in every step
              rate      Adam's learning rate times the model's width
              seed      seed of the choice of earlier windows

            Examples:
              accrete model stream --text book.txt
              accrete model stream --text book.txt --model gpt2 --json
            """
    )

    @Option(help: ArgumentHelp("The text, or any other file.", valueName: "file"))
    var text: String

    @Option(help: ArgumentHelp("A Hugging Face GPT-2 directory with the initial model.", valueName: "dir"))
    var model: String?

    @Option(help: ArgumentHelp("Settings, in YAML or JSON.", valueName: "file"))
    var config: String?

    @Flag(help: "Print one JSON object and nothing else: bytes, bitsPerByte, frozenBitsPerByte, seconds.")
    var json = false

    func run() throws {
        let bytes = try readText(text)
        var comparison = Comparison(bytes: bytes.count, isSilent: json)
        if let model {
            try streamTokens(bytes, directory: model, &comparison)
        } else {
            try streamBytes(bytes, &comparison)
        }
        print(json ? comparison.json : comparison.sentence)
    }

    private func streamBytes(_ bytes: [UInt8], _ comparison: inout Comparison) throws {
        let settings = try given(ByteLearner.Configuration())
        let learner = ByteLearner(settings, expectedBytes: bytes.count)
        let frozen = ByteLearner(settings, expectedBytes: bytes.count, learning: false)
        for byte in bytes {
            learner.read(byte, &comparison.learned)
            frozen.read(byte, &comparison.frozen)
            comparison.report(every: 65536)
        }
    }

    private func streamTokens(_ bytes: [UInt8], directory: String, _ comparison: inout Comparison) throws {
        let settings = try given(TokenLearner.Configuration())
        let (model, parameters) = try GPT2.open(directory: directory)
        let tokenizer = try openTokenizer(directory: directory)
        let team = Team(count: ProcessInfo.processInfo.activeProcessorCount)
        // The tokenizer's token for the end of a text may be missing from the model's vocabulary.
        let start = tokenizer.endOfText.flatMap { $0 < model.configuration.vocabularySize ? $0 : nil }
        let frozen = TokenLearner(model, parameters: parameters.copy(), start: start, settings, learning: false, team: team)
        let learner = TokenLearner(model, parameters: parameters, start: start, settings, team: team)
        let tokens = tokenizer.encode(bytes)
        for place in stride(from: 0, to: tokens.count, by: learner.fresh) {
            let next = tokens[place..<min(place + learner.fresh, tokens.count)]
            let length = try tokenizer.decode(Array(next)).count
            comparison.learned.add(bits: try learner.read(next), bytes: length)
            comparison.frozen.add(bits: try frozen.read(next), bytes: length)
            comparison.report(every: 4096)
        }
    }

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

/// The code lengths of a learning model and of the frozen baseline over a text.
private struct Comparison {
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

    /// Prints the progress after every `step` bytes.
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
