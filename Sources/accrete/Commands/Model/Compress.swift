import ArgumentParser
import Files
import Foundation
import Launch
import Learning
import Model
import StrictJSON
import Tensors
import Tokenization

/// `accrete model compress`: writes a smaller version of a model, if it is nearly as good.
struct Compress: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Write a smaller version of a model as a GGUF file, if it costs little likelihood.",
        discussion: """
            Matrices are stored in 8, 5 or 4 bits, each 32 weights with a scale (the formats Q8_0, Q5_0 and Q4_0, which every command of \
            accrete opens, and so do llama.cpp and Ollama). With --calibrate, the error of rounding one weight is passed on to those that \
            are not rounded yet, by the second moments of what each projection reads in the text's first four fifths \
            (https://arxiv.org/abs/2210.17323). Its last fifth is held out: bits per byte before and after are measured there, and a \
            version that takes more than --margin per cent more is not written; the exit status is then 1. Without --calibrate every \
            weight is rounded to nearest, and nothing is measured.

            Pruning removes units of the MLPs, and where they are whole heads of queries, by the norm of what they add to the residual \
            stream in the text; the weights that stay take over their part by least squares, and are trained on the text for --recover \
            steps. Without bits after a +, matrices are in half precision.

            Examples:
              accrete model compress --model gpt2 --to int8 --calibrate book.txt gpt2-int8.gguf
              accrete model compress --model model.gguf --to int4 --calibrate book.txt --margin 2 model-int4.gguf
              accrete model compress --model model.gguf --to pruned:0.1+int8 --calibrate book.txt --recover 200 model-small.gguf
            """
    )

    @Option(help: modelHelp)
    var model: String

    @Argument(help: ArgumentHelp("The GGUF file for the result, other than the model's.", valueName: "output"))
    var output: String

    @Option(
        help: ArgumentHelp(
            """
            int8, int5 or int4: the bits of matrices; after a slash those of the table of tokens and of the head, if they are others, as \
            in int4/int8. pruned:FRACTION: without a part of the MLPs' units and of the heads. Or both, as in pruned:0.2+int8.
            """, valueName: "version"))
    var to: CompressionTarget

    @Option(help: ArgumentHelp("A text like those that the model will read.", valueName: "file"))
    var calibrate: String?

    @Option(help: ArgumentHelp("The most tokens of the text that calibrate, from all over it.", valueName: "n"))
    var tokens = 8_192

    @Option(help: ArgumentHelp("The most bytes of the text's last fifth that are scored.", valueName: "n"))
    var heldOut = 16_384

    @Option(help: ArgumentHelp("Pruning: the steps of training on the text, after which the rest is measured.", valueName: "n"))
    var recover = 60

    @Option(help: ArgumentHelp("The greatest loss: per cent by which a byte may take more bits.", valueName: "percent"))
    var margin = 3.0

    @Flag(help: "Write the result also if its loss is greater.")
    var force = false

    @Option(help: "The number of threads; without it, the number of processors.")
    var threads: Int?

    @Flag(
        help: """
            Print one JSON object: input, output, to, written, bytes, bytesBefore, bytesFloat32, bitsPerByte, bitsPerByteBefore, \
            lossPercent, heldOutTokens, calibrationTokens, seconds.
            """)
    var json = false

    private static let tokenLimit = 1 << 24, threadLimit = 1024, marginLimit = 1e6
    /// The tokens that are read together, if the model has so many positions.
    private static let window = 512

    func validate() throws {
        try check("--tokens", tokens, within: 1...Self.tokenLimit)
        try check("--held-out", heldOut, within: 1...textLimit)
        try check("--recover", recover, within: 0...countLimit)
        try check("--margin", margin, within: 0...Self.marginLimit)
        try check("--threads", threads, within: 1...Self.threadLimit)
    }

    func run() throws {
        try refuseOverwriting(output, of: model)
        try checkReplaceable(output)
        let start = ContinuousClock.now, team = Team(count: threads ?? ProcessInfo.processInfo.activeProcessorCount)
        let opened = try TrunkModel(path: model)
        let window = min(Self.window, opened.trunk.positions)
        let text = try calibrate.map {
            try CompressionText(
                try readText($0), openTokenizer(path: model), tokenLimit: tokens, piece: window, heldOutLimit: heldOut)
        }
        func score(_ model: TrunkModel) throws -> Perplexity? {
            try text.map {
                try Perplexity(
                    of: $0.heldOut, bytes: $0.heldOutBytes, model: model.trunk, parameters: model.parameters, window: window,
                    stride: window,
                    team: team)
            }
        }
        let before = try score(opened)
        // A version that is not good enough never has the result's name.
        let candidate = "\(output).candidate"
        defer { unlink(candidate) }
        let progress = CompressionProgress(output)
        try to.write(
            opened, to: candidate, origin: model, calibration: text?.calibration ?? [], recovery: ModelRecovery(steps: recover), team: team
        ) { progress.note($0, $1) }
        let after = try score(TrunkModel(path: candidate, storage: .stored))
        let cost = before.flatMap { before in after.map { CompressionCost(before: before, after: $0) } }
        let isWritten = force || cost?.isWithin(margin) ?? true, size = try InputFile(candidate).size
        if isWritten, rename(candidate, output) != 0 {
            throw StartFailure("\(output) cannot be written: \(String(cString: strerror(errno)))")
        }
        try report(
            cost, isWritten: isWritten, bytes: size, float32: opened.trunk.parameters.reduce(0) { $0 + 4 * $1.count },
            calibration: text?.calibration.count ?? 0, seconds: start.duration(to: .now) / .seconds(1))
        if !isWritten { throw ExitCode(1) }
    }

    private func report(
        _ cost: CompressionCost?, isWritten: Bool, bytes: Int, float32: Int, calibration: Int, seconds: Double
    ) throws {
        let before = try InputFile(FileKind(of: model) == .regular ? model : "\(model)/model.safetensors").size
        func number(_ value: Double?) -> JSON { value.flatMap { $0.isFinite ? .number($0) : nil } ?? .null }
        guard !json else {
            return print(
                JSON.object([
                    "input": .string(model), "output": .string(output), "to": .string(to.description), "written": .bool(isWritten),
                    "bytes": .integer(bytes), "bytesBefore": .integer(before), "bytesFloat32": .integer(float32),
                    "bitsPerByte": number(cost?.after.bitsPerByte), "bitsPerByteBefore": number(cost?.before.bitsPerByte),
                    "lossPercent": number(cost?.percent), "heldOutTokens": cost.map { .integer($0.after.tokens) } ?? .null,
                    "calibrationTokens": .integer(calibration), "seconds": .number(seconds),
                ]).text())
        }
        print(
            String(
                format: "%@: %.1f MB, before %.1f MB; float32 takes %.1f times as much; %.0f s.", output, Double(bytes) / 1e6,
                Double(before) / 1e6, Double(float32) / Double(bytes), seconds))
        guard let cost else { return print("Without --calibrate it is not known what it costs.") }
        print(
            String(
                format: "Bits per byte on %d tokens held out: %.4f, before %.4f: a loss of %.2f %%.", cost.after.tokens,
                cost.after.bitsPerByte, cost.before.bitsPerByte, cost.percent))
        if !isWritten {
            StandardError.write(
                String(format: "%@ was not written: the loss is above the margin of %g %%; --force writes it anyway.\n", output, margin))
        }
    }
}

extension CompressionTarget: ExpressibleByArgument {
    public init?(argument: String) { self.init(argument) }
}

/// Reports the progress of a compression on standard error about once a second.
final class CompressionProgress {
    private let output: String
    private var reported = ContinuousClock.now

    /// - Parameter output: the path of the result.
    init(_ output: String) { self.output = output }

    /// Notes the part of some work that is done, from 0 to 1.
    func note(_ what: String, _ part: Double) {
        guard reported.duration(to: .now) >= .seconds(1) else { return }
        reported = .now
        TrainingProgress.write("\(output): \(Int(part * 100)) % \(what)")
    }
}
