import ArgumentParser
import Foundation
import Model
import StrictJSON
import Tensors
import Tokenization

/// How well a model predicts a text.
struct Score: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Prints a GPT-2's perplexity on a text, and its bits per byte.",
        discussion: """
            The text is read in windows as long as the model's context, each a stride after the last, and only what is new in a window is \
            scored: https://huggingface.co/docs/transformers/perplexity. A smaller stride gives every token more context and takes longer.

            Example:
              accrete model score --model gpt2 --text book.txt --stride 512
            """
    )

    @Option(help: ArgumentHelp("A Hugging Face GPT-2 directory.", valueName: "dir"))
    var model: String

    @Option(help: ArgumentHelp("The text.", valueName: "file"))
    var text: String

    @Option(help: ArgumentHelp("Tokens from one window to the next; half the model's context if not given.", valueName: "n"))
    var stride: Int?

    @Flag(help: "Print one JSON object: tokens, nll, perplexity, bitsPerByte.")
    var json = false

    func run() throws {
        let (model, parameters) = try GPT2.open(directory: model)
        let positions = model.configuration.positions
        let stride = stride ?? max(1, positions / 2)
        guard (1...positions).contains(stride) else { throw ValidationError("--stride is \(stride); it must be between 1 and the model's context of \(positions).") }
        let bytes: [UInt8]
        do { bytes = [UInt8](try Data(contentsOf: URL(filePath: text))) } catch { throw ValidationError("\(text) cannot be read.") }
        let score = try Perplexity(
            of: openTokenizer(directory: self.model).encode(bytes), bytes: bytes.count, model: model, parameters: parameters,
            stride: stride, team: Team(count: ProcessInfo.processInfo.activeProcessorCount))
        if json {
            print(JSON.object([
                "tokens": .integer(score.tokens), "nll": .number(score.nll), "perplexity": score.perplexity.isFinite ? .number(score.perplexity) : .null,
                "bitsPerByte": .number(score.bitsPerByte),
            ]).text())
        } else {
            print(String(format: "%d tokens, %.4f nats each: perplexity %.3f, %.4f bits per byte", score.tokens, score.nll, score.perplexity, score.bitsPerByte))
        }
    }
}
