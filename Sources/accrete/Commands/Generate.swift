import ArgumentParser
import Files
import Foundation
import Model
import StrictJSON
import Tensors
import Tokenization

/// `accrete generate`: continues a text with a model.
struct Generate: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Continue a prompt with a GPT-2, token by token.",
        discussion: """
            The most probable token is taken each time, unless a temperature is given. The text ends after --tokens, at a stop sequence, \
            where the model ends it, or when its context is full. Equal seeds give equal texts.

            The model ends a text with any eos_token_id of generation_config.json or, without this file, of config.json; if none of them \
            is in its vocabulary, with the tokenizer's <|endoftext|>. An empty prompt begins with bos_token_id. Other settings in \
            generation_config.json, lengths and sampling, are ignored; use the options.

            Examples:
              accrete generate --model gpt2 --prompt 'Once upon a time'
              accrete generate --model gpt2 --prompt 'Q: Why?' --temperature 0.8 --top-p 0.95 --stop 'Q:' --precision int8
            """
    )

    @Option(help: ArgumentHelp("A Hugging Face GPT-2 directory.", valueName: "dir"))
    var model: String

    @Option(help: "The text to continue.")
    var prompt: String

    @Option(help: ArgumentHelp("The maximum number of tokens to add.", valueName: "n"))
    var tokens = 128

    @Option(help: "The sampling temperature, by which the logits are divided; 0 always takes the most probable token.")
    var temperature = 0.0

    @Option(help: "Sample from this number of the most probable tokens; 0 for all.")
    var topK = 0

    @Option(help: "Sample from the most probable tokens whose probabilities sum to this.")
    var topP = 1.0

    @Option(help: "Above 1, makes tokens that have occurred before less probable.")
    var repetitionPenalty = 1.0

    @Option(help: "End the text before this sequence. Repeatable.")
    var stop: [String] = []

    @Option(help: "The seed of sampling.")
    var seed: UInt64 = 0

    @Option(help: "float32, or int8 for 8-bit weights, which are faster and slightly less exact.")
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

    /// Writes bytes immediately, because a character may consist of several tokens.
    private func show(_ bytes: [UInt8]) throws {
        try StandardOutput.write(bytes)
        try StandardOutput.flush()
    }
}

extension DecodingPrecision: ExpressibleByArgument {}
