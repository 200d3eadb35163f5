import ArgumentParser
import Files
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

            The model ends a text at any eos_token_id of generation_config.json or, without such a file, of config.json; where none of them is \
            in its vocabulary, at the tokenizer's <|endoftext|>. An empty prompt begins with bos_token_id. What else generation_config.json \
            says, lengths and sampling, is for the options here.

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

    func validate() throws {
        try check("--tokens", tokens, within: 0...countLimit)
        try check("--temperature", temperature, within: 0...Self.factorLimit)
        try check("--top-k", topK, within: 0...countLimit)
        try check("--top-p", topP, above: 0, atMost: 1)
        try check("--repetition-penalty", repetitionPenalty, above: 1 / Self.factorLimit, atMost: Self.factorLimit)
    }

    private static let factorLimit = 1e6

    func run() throws {
        let (model, parameters) = try GPT2.open(directory: model)
        let tokenizer = try openTokenizer(directory: self.model)
        let decoder = TextDecoder(
            model, parameters, precision: precision, inOrder: true, team: Team(count: ProcessInfo.processInfo.activeProcessorCount))
        let prompt = tokenizer.encode(self.prompt)
        var settings = self.settings
        settings.bounds = try TextBounds(
            directory: self.model, endOfText: tokenizer.endOfText, vocabularySize: model.configuration.vocabularySize)
        let generation = try Generation(decoder, tokenizer, prompts: [prompt], settings, seed: seed)
        var text: [UInt8] = []
        var end: Generation.End?
        if !json { try show(Array(self.prompt.utf8)) }
        while let pieces = try generation.next() {
            for piece in pieces {
                text += piece.bytes
                end = piece.end
                if !json { try show(piece.bytes) }
            }
        }
        if json {
            print(
                JSON.object([
                    "text": .string(String(decoding: text, as: UTF8.self)), "end": end.map { .string($0.rawValue) } ?? .null,
                    "tokens": .array(generation.added(to: 0).map(JSON.integer)),
                ]).text())
        } else {
            try show([UInt8(ascii: "\n")])
        }
    }

    private var settings: Generation.Settings {
        var settings = Generation.Settings()
        settings.sampling = Sampling(temperature: temperature, topK: topK, topP: topP, repetitionPenalty: repetitionPenalty)
        settings.maximumTokens = tokens
        settings.stops = stop.map { Array($0.utf8) }
        return settings
    }

    /// Characters may be spread over tokens: bytes are written as they are, at once.
    private func show(_ bytes: [UInt8]) throws {
        try StandardOutput.write(bytes)
        try StandardOutput.flush()
    }
}

extension DecodingPrecision: ExpressibleByArgument {}
