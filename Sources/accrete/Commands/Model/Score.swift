import ArgumentParser
import Foundation
import Model
import StrictJSON
import Tensors
import Tokenization

/// `accrete model score`: computes the perplexity of a model on a text.
struct Score: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Print a language model's perplexity and bits per byte on a text.",
        discussion: """
            The text is evaluated in windows as long as the model's context, each shifted by a stride. Every token but the first is scored \
            once, in the first window that contains it, with the tokens before it in that window as context, of which there is at least \
            one. A smaller stride gives every token more context and takes longer: \
            https://huggingface.co/docs/transformers/perplexity. In bits per byte the first token counts as much as the mean of the others.

            Example:
              accrete model score --model gpt2 --text book.txt --stride 512
            """
    )

    @Option(help: modelHelp)
    var model: String

    @Option(help: ArgumentHelp("The text.", valueName: "file"))
    var text: String

    @Option(help: ArgumentHelp("The length of a window in tokens; without it, the model's context or 1024, the smaller.", valueName: "n"))
    var context: Int?

    @Option(help: ArgumentHelp("The shift from one window to the next in tokens; without it, half a window.", valueName: "n"))
    var stride: Int?

    @Flag(help: "Print one JSON object: tokens, nll, perplexity, bitsPerByte.")
    var json = false

    /// The default limit of a window, because memory grows with its square.
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
