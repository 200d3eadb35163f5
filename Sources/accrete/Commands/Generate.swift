import ArgumentParser
import Foundation
import Model
import StrictJSON
import Tensors
import Tokenization

/// A model continues a text.
struct Generate: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Continues a prompt with a GPT-2, token by token.",
        discussion: """
            The likeliest token is taken each time, unless a temperature is given. The text ends at --tokens, at a stop sequence, where \
            the model ends it, or where its context is full. The same seed gives the same text.

            Examples:
              accrete generate --model gpt2 --prompt 'Once upon a time'
              accrete generate --model gpt2 --prompt 'Q: Why?' --temperature 0.8 --top-p 0.95 --stop 'Q:' --precision int8
            """
    )

    @Option(help: ArgumentHelp("A Hugging Face GPT-2 directory.", valueName: "dir"))
    var model: String

    @Option(help: "The text to continue.")
    var prompt: String

    @Option(help: ArgumentHelp("The most tokens to add.", valueName: "n"))
    var tokens = 128

    @Option(help: "Divides the logits; 0 always takes the likeliest token.")
    var temperature = 0.0

    @Option(help: "Draw from this many of the likeliest tokens; 0 for all.")
    var topK = 0

    @Option(help: "Draw from the likeliest tokens that together reach this probability.")
    var topP = 1.0

    @Option(help: "Above 1, tokens that were there before become less likely.")
    var repetitionPenalty = 1.0

    @Option(help: "End before this text; may be given several times.")
    var stop: [String] = []

    @Option(help: "Where the draws begin.")
    var seed: UInt64 = 0

    @Option(help: "float32, or int8 for weights in eight bits, faster and a little less exact.")
    var precision = DecodingPrecision.float32

    @Flag(help: "Print one JSON object at the end: text, tokens, end.")
    var json = false

    func run() throws {
        let (model, parameters) = try GPT2.open(directory: model)
        let tokenizer = try openTokenizer(directory: self.model)
        let decoder = TextDecoder(
            model, parameters, precision: precision, inOrder: true, team: Team(count: ProcessInfo.processInfo.activeProcessorCount))
        let prompt = tokenizer.encode(self.prompt)
        let generation = try Generation(decoder, tokenizer, prompts: [prompt], settings, seed: seed)
        var text: [UInt8] = []
        var end: Generation.End?
        if !json { show(Array(self.prompt.utf8)) }
        while let pieces = try generation.next() {
            for piece in pieces {
                text += piece.bytes
                end = piece.end
                if !json { show(piece.bytes) }
            }
        }
        if json {
            print(JSON.object([
                "text": .string(String(decoding: text, as: UTF8.self)), "end": end.map { .string($0.rawValue) } ?? .null,
                "tokens": .array(generation.tokens(of: 0).dropFirst(prompt.count).map(JSON.integer)),
            ]).text())
        } else {
            show([UInt8(ascii: "\n")])
        }
    }

    private var settings: Generation.Settings {
        var settings = Generation.Settings()
        settings.sampling = Sampling(temperature: temperature, topK: topK, topP: topP, repetitionPenalty: repetitionPenalty)
        settings.maximumTokens = tokens
        settings.stops = stop.map { Array($0.utf8) }
        return settings
    }

    private func show(_ bytes: [UInt8]) { FileHandle.standardOutput.write(Data(bytes)) }
}

extension DecodingPrecision: ExpressibleByArgument {}
