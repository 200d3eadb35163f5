import ArgumentParser
import Files
import Foundation
import Launch
import Layers
import Model
import StrictJSON

/// `accrete model convert`: writes a model in another format.
struct Convert: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Convert a model to a GGUF file or to a Hugging Face directory.",
        discussion: """
            A GGUF file opens in llama.cpp and Ollama, a directory in the Python package transformers. Both contain the tokenizer, which \
            must be byte-level BPE, and the chat template. A directory's weights are float32. One tensor at a time is in memory.

            GGUF files of the architecture llama have no sliding window in llama.cpp: a Mistral that has one computes the same up to so \
            many tokens. The flags lstrip, rstrip, single_word and normalized of added tokens have no place in a GGUF file.

            Examples:
              accrete model convert my-model my-model.gguf --to gguf --type q8_0
              accrete model convert model.gguf model --to safetensors
            """
    )

    @Argument(help: modelHelp)
    var input: String

    @Argument(help: ArgumentHelp("The GGUF file or the directory for the result, other than the input.", valueName: "output"))
    var output: String

    @Option(help: "The format of the result: gguf or safetensors.")
    var to: Format

    @Option(help: "gguf: the numbers of matrices: f16 (the default) or q8_0.")
    var type: GGUFPrecision?

    @Flag(help: "Print one JSON object: input, output, format, type, tensors, numbers, bytes, seconds.")
    var json = false

    enum Format: String, ExpressibleByArgument, CaseIterable {
        case gguf, safetensors
    }

    func validate() throws {
        if type != nil, to == .safetensors { throw ValidationError("--type is for --to gguf; a directory's numbers are float32.") }
    }

    func run() throws {
        try refuseOverwriting(output, of: input)
        let start = ContinuousClock.now, files = try TrunkFiles(path: input), precision = type ?? .float16
        let numbers = files.trunk.parameters.map(\.count)
        let progress = ConversionProgress(of: numbers.reduce(0, +), in: output)
        try files.save(to: output, as: to == .gguf ? .gguf(precision) : .safetensors) { progress.note($0) }
        let size = try InputFile(to == .gguf ? output : "\(output)/model.safetensors").size
        let seconds = start.duration(to: .now) / .seconds(1)
        if json {
            print(
                JSON.object([
                    "input": .string(input), "output": .string(output), "format": .string(to.rawValue),
                    "type": .string(to == .gguf ? precision.rawValue : "f32"), "tensors": .integer(numbers.count),
                    "numbers": .integer(numbers.reduce(0, +)), "bytes": .integer(size), "seconds": .number(seconds),
                ]).text())
        } else {
            print(
                String(
                    format: "%@ was saved in %@: %d tensors, %.1f MB; %.1f s.", input, output, numbers.count, Double(size) / 1e6, seconds))
        }
    }
}

extension GGUFPrecision: ExpressibleByArgument {}

/// Refuses a result that would be written over the model that it is made of, or over a file of its directory.
/// - Throws: `ValidationError`.
func refuseOverwriting(_ output: String, of input: String) throws {
    func place(_ path: String) -> URL { URL(filePath: path).resolvingSymlinksInPath().standardizedFileURL }
    let (source, target) = (place(input), place(output))
    let isItsFile = target.deletingLastPathComponent().path == source.path && target.pathExtension != "gguf"
    guard source.path != target.path, !(isItsFile && FileKind(of: output) == .regular) else {
        throw ValidationError("\(output) is the model itself, or a part of it; the result needs another place.")
    }
}

/// Reports the progress of a conversion on standard error about once a second.
final class ConversionProgress {
    private let total: Int
    private let output: String
    private var done = 0
    private var reported = ContinuousClock.now

    /// - Parameters:
    ///   - total: the number of elements to be written.
    ///   - output: the path of the result.
    init(of total: Int, in output: String) {
        self.total = total
        self.output = output
    }

    /// Counts elements that have been written.
    func note(_ count: Int) {
        done += count
        guard reported.duration(to: .now) >= .seconds(1) else { return }
        reported = .now
        TrainingProgress.write("\(output): \(min(100, done * 100 / max(1, total))) % written")
    }
}
