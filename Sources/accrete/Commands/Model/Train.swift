import ArgumentParser
import Files
import Foundation
import Launch
import Learning
import Model
import Pipeline
import Statistics
import StrictJSON
import Synchronization
import Tensors
import Tokenization

/// `accrete model train`: trains a language model on a text.
struct Train: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Train a language model, or a part of it, on a text.",
        discussion: """
            The directory --out can be opened with the Python package transformers, or with PEFT for --scope lora. It contains the \
            checkpoint training.safetensors, from which the same command continues; the result is the same, bit for bit, as without the \
            interruption. The required memory is printed first; if the machine does not have it, training is not started.

            With --scope lora only adapters learn, and the model below them may stay in the 4 or 8 bits of its file (QLoRA, \
            https://arxiv.org/abs/2305.14314): --base stored, the default for a GGUF file, or --base int8 for any model.

            Examples:
              accrete model train --model model.gguf --text book.txt --out book-lora --scope lora --targets q_proj,v_proj,down_proj
              accrete model train --model gpt2 --text book.txt --out gpt2-book --epochs 1
              accrete model train --model gpt2 --text book.txt --out book-lora --scope lora --rank 8 --targets c_attn,mlp.c_proj
              accrete model train --model gpt2 --text book.txt --out gpt2-book --batch 4 --time 512 --recompute --estimate
            """
    )

    @Option(help: modelHelp)
    var model: String

    @Option(help: ArgumentHelp("The text.", valueName: "file"))
    var text: String

    @Option(help: ArgumentHelp("The directory for the result.", valueName: "dir"))
    var out: String

    @OptionGroup var choices: TrainingChoices

    @Option(
        help: """
            How weights that do not learn lie in memory: float32, int8, or stored, as in the GGUF file. Without it, stored for \
            --scope lora and a GGUF file, else float32.
            """)
    var base: WeightStorage?

    @Option(help: ArgumentHelp("The number of passes over the text.", valueName: "n"))
    var epochs = 1

    @Option(help: ArgumentHelp("The total number of steps, instead of --epochs.", valueName: "n"))
    var steps: Int?

    @Option(help: ArgumentHelp("Steps between checkpoints; one is always written at the end.", valueName: "n"))
    var checkpointEvery = 200

    @Option(help: ArgumentHelp("The maximum memory; without it, the memory that is available.", valueName: "MiB"))
    var memoryLimit: Int?

    @Option(help: "The number of threads; without it, the number of processors.")
    var threads: Int?

    @Flag(help: "Print the memory that training requires, and exit.")
    var estimate = false

    @Flag(help: "Print a JSON object for every progress report; the last one has steps, loss, skipped, seconds, memoryBytes.")
    var json = false

    func validate() throws {
        try check("--epochs", epochs, within: 1...Self.epochLimit)
        try check("--steps", steps, within: 1...countLimit)
        try check("--checkpoint-every", checkpointEvery, within: 1...countLimit)
        try check("--memory-limit", memoryLimit, within: 1...(Int.max >> 20))
        try check("--threads", threads, within: 1...Self.threadLimit)
    }

    private static let epochLimit = 1 << 30
    private static let threadLimit = 1024

    func run() throws {
        let bytes = try readText(text)
        guard URL(filePath: out).standardizedFileURL != URL(filePath: model).standardizedFileURL else {
            throw ValidationError("--out must not be the model's directory.")
        }
        let files = try TrunkFiles(path: model)
        let tokens = try openTokenizer(path: model).encode(bytes)
        let time = min(choices.time, files.trunk.positions), windows = max(1, (tokens.count - 2) / time + 1)
        let perStep = choices.batch * choices.accumulate
        let total = steps ?? min(countLimit, epochs.clampedMultiplying(by: (windows + perStep - 1) / perStep))
        let configuration = try choices.configuration(steps: total), scope = try configuration.learningScope
        let team = Team(count: threads ?? ProcessInfo.processInfo.activeProcessorCount)
        let frozen = try files.frozen(base ?? (scope == .adapters ? .stored : .float32)) { scope.learns($0, in: files.trunk) }
        let memory = try configuration.memory(of: files.trunk, frozen: frozen, team: team)
        try checkMemory(memory)
        if estimate { return }

        let opened = try files.model(frozen: frozen, adapters: configuration.adapters(of: files.trunk))
        let trainer = try TextTrainer(opened, tokens: tokens, configuration, team: team)
        try makeDirectory(at: out)
        let checkpoint = "\(out)/training.safetensors"
        if FileManager.default.fileExists(atPath: checkpoint), let damage = try trainer.restore(from: checkpoint) {
            TrainingProgress.write("\(damage); training continues from the preceding checkpoint.")
        }
        try train(trainer, until: total, checkpoint, memory)
    }

    private func train(_ trainer: TextTrainer, until total: Int, _ checkpoint: String, _ memory: TrainingMemory) throws {
        let stop = Stop()
        let interrupts = Interrupts { stop.request() }
        defer { interrupts.cancel() }
        var progress = TrainingProgress(trainer, until: total, json: json)
        while trainer.steps < total, !stop.isRequested {
            progress.note(trainer.step())
            if trainer.steps.isMultiple(of: checkpointEvery) { try trainer.save(to: checkpoint) }
        }
        try trainer.save(to: checkpoint)
        if let adapters = trainer.configuration.adapters(of: trainer.model) {
            try adapters.save(trainer.parameters, of: trainer.model, to: out, base: model)
        } else {
            try trainer.model.save(trainer.parameters, to: out, origin: model)
        }
        progress.conclude(in: out, memory: memory)
    }

    /// Prints the memory that training requires.
    /// - Throws: `ValidationError` if it is more than the limit.
    private func checkMemory(_ memory: TrainingMemory) throws {
        let limit = memoryLimit.map { $0 << 20 } ?? ProcessMemory.available
        if estimate, json {
            print(
                JSON.object([
                    "parametersBytes": .integer(memory.parameters), "gradientsBytes": .integer(memory.gradients),
                    "momentsBytes": .integer(memory.moments),
                    "activationsBytes": .integer(memory.activations), "totalBytes": .integer(memory.total),
                    "availableBytes": limit.map(JSON.integer) ?? .null,
                ]).text())
        } else if !json {
            TrainingProgress.write("Training requires \(memory.sentence).")
        }
        guard let limit, memory.total > limit else { return }
        throw ValidationError(
            "Training requires \(memory.sentence), but \(limit >> 20) MiB \(memoryLimit == nil ? "are available" : "are allowed"). "
                + "A smaller --batch or --time, --recompute, or another --scope or --optimizer requires less.")
    }
}

extension WeightStorage: ExpressibleByArgument {}

/// A request to end training after the current step.
private final class Stop: Sendable {
    private let requested = Atomic(false)

    var isRequested: Bool { requested.load(ordering: .relaxed) }
    func request() { requested.store(true, ordering: .relaxed) }
}

extension TrainingMemory {
    fileprivate var sentence: String {
        func mebibytes(_ bytes: Int) -> String { String(format: "%.1f", Double(bytes) / 1_048_576) }
        return
            "\(mebibytes(total)) MiB: \(mebibytes(parameters)) for parameters, \(mebibytes(gradients)) for gradients, "
            + "\(mebibytes(moments)) for the optimiser's state, \(mebibytes(activations)) for activations"
    }
}
