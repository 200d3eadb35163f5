import ArgumentParser
import Foundation
import Model
import StrictJSON
import Tensors
import Tokenization

/// How well a model predicts a text.
struct Score: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Prints a language model's perplexity on a text, and its bits per byte.",
        discussion: """
            The text is read in windows as long as the model's context, each a stride after the last. Every token but the first is scored \
            once, in the first window that reaches it, with what precedes it there; at least one token always does. A smaller stride gives \
            every token more context and takes longer: https://huggingface.co/docs/transformers/perplexity. Bits per byte count the first \
            token as much as the mean of the others.

            Example:
              accrete model score --model gpt2 --text book.txt --stride 512
            """
    )

    @Option(help: ArgumentHelp("A Hugging Face directory (gpt2, llama, mistral, qwen2), or a GGUF file.", valueName: "dir"))
    var model: String

    @Option(help: ArgumentHelp("The text.", valueName: "file"))
    var text: String

    @Option(help: ArgumentHelp("Tokens read at once; the model's context if not given, at most 1024.", valueName: "n"))
    var context: Int?

    @Option(help: ArgumentHelp("Tokens from one window to the next; half a window if not given.", valueName: "n"))
    var stride: Int?

    @Flag(help: "Print one JSON object: tokens, nll, perplexity, bitsPerByte.")
    var json = false

    /// The memory of a window grows with its square.
    private static let longestWindow = 1_024

    func validate() throws {
        try check("--context", context, within: 1...countLimit)
        try check("--stride", stride, within: 1...countLimit)
    }

    func run() throws {
        let bytes = try readText(text)
        let opened = try TrunkModel(path: model)
        let positions = context ?? min(opened.trunk.positions, Self.longestWindow)
        try check("--context", positions, within: 1...opened.trunk.positions)
        let stride = stride ?? max(1, positions / 2)
        try check("--stride", stride, within: 1...positions)
        let score = try Perplexity(
            of: openTokenizer(path: model).encode(bytes), bytes: bytes.count, model: opened.trunk, parameters: opened.parameters,
            window: positions, stride: stride, team: Team(count: ProcessInfo.processInfo.activeProcessorCount))
        if json {
            print(
                JSON.object([
                    "tokens": .integer(score.tokens), "nll": .number(score.nll),
                    "perplexity": score.perplexity.isFinite ? .number(score.perplexity) : .null,
                    "bitsPerByte": .number(score.bitsPerByte),
                ]).text())
        } else {
            print(
                String(
                    format: "%d tokens, %.4f nats each: perplexity %.3f, %.4f bits per byte", score.tokens, score.nll, score.perplexity,
                    score.bitsPerByte))
        }
    }
}
