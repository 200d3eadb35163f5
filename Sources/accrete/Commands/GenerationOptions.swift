import ArgumentParser
import Files
import Foundation
import Model
import Tensors
import Tokenization

/// The options of commands that generate text.
struct GenerationOptions: ParsableArguments {
    @Option(help: ArgumentHelp("A Hugging Face directory (gpt2, llama, mistral, qwen2), or a GGUF file.", valueName: "dir"))
    var model: String

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

    @Option(
        help: """
            float32; int8 for 8-bit weights, which are faster and slightly less exact; or stored for those of a GGUF file as they are, \
            which is the default for one.
            """)
    var precision: DecodingPrecision?

    @Option(help: ArgumentHelp("The maximum number of tokens of prompt and answer together; without it, the model's.", valueName: "n"))
    var context: Int?

    func validate() throws {
        try check("--tokens", tokens, within: 0...countLimit)
        try check("--temperature", temperature, within: 0...Self.factorLimit)
        try check("--top-k", topK, within: 0...countLimit)
        try check("--top-p", topP, above: 0, atMost: 1)
        try check("--repetition-penalty", repetitionPenalty, above: 1 / Self.factorLimit, atMost: Self.factorLimit)
        try check("--context", context, within: 1...countLimit)
    }

    private static let factorLimit = 1e6

    /// Opens the model.
    func open() throws -> (decoder: TextDecoder, tokenizer: any Tokenizer, settings: Generation.Settings) {
        let precision = precision ?? (FileKind(of: model) == .regular ? .stored : .float32)
        let opened = try TrunkModel(path: model, storage: precision == .stored ? .stored : .float32)
        let tokenizer = try openTokenizer(path: model)
        let decoder = TextDecoder(
            opened, contextLimit: context, precision: precision, inOrder: true,
            team: Team(count: ProcessInfo.processInfo.activeProcessorCount))
        var settings = Generation.Settings()
        settings.sampling = Sampling(temperature: temperature, topK: topK, topP: topP, repetitionPenalty: repetitionPenalty)
        settings.maximumTokens = tokens
        settings.stops = stop.map { Array($0.utf8) }
        settings.bounds = try TextBounds(path: model, tokenizer: tokenizer, vocabularySize: opened.trunk.vocabularySize)
        return (decoder, tokenizer, settings)
    }
}

/// Writes bytes immediately, because a character may consist of several tokens.
func show(_ bytes: [UInt8]) throws {
    try StandardOutput.write(bytes)
    try StandardOutput.flush()
}

extension DecodingPrecision: ExpressibleByArgument {}
