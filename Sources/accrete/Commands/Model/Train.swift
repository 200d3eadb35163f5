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

/// A GPT-2 learns a text.
struct Train: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Trains a GPT-2, or a part of it, on a text.",
        discussion: """
            --out becomes a directory that transformers opens, or for lora one that PEFT opens. training.safetensors in it is the \
            checkpoint: the same command goes on from there, to the bit as if it had never stopped. What training takes is told first, \
            and refused where the machine does not have it.

            Examples:
              accrete model train --model gpt2 --text book.txt --out gpt2-book --epochs 1
              accrete model train --model gpt2 --text book.txt --out book-lora --scope lora --rank 8 --targets c_attn,mlp.c_proj
              accrete model train --model gpt2 --text book.txt --out gpt2-book --batch 4 --time 512 --recompute --estimate
            """
    )

    @Option(help: ArgumentHelp("A Hugging Face GPT-2 directory.", valueName: "dir"))
    var model: String

    @Option(help: ArgumentHelp("The text.", valueName: "file"))
    var text: String

    @Option(help: ArgumentHelp("Where the result goes.", valueName: "dir"))
    var out: String

    @OptionGroup var choices: TrainingChoices

    @Option(help: ArgumentHelp("Times to read the text.", valueName: "n"))
    var epochs = 1

    @Option(help: ArgumentHelp("Steps to take in all, instead of epochs.", valueName: "n"))
    var steps: Int?

    @Option(help: ArgumentHelp("Steps between checkpoints; the end is always one.", valueName: "n"))
    var checkpointEvery = 200

    @Option(help: ArgumentHelp("Refuse what takes more; else what the machine has free.", valueName: "MiB"))
    var memoryLimit: Int?

    @Option(help: "Threads; as many as there are processors if not given.")
    var threads: Int?

    @Flag(help: "Tell what training would take, and do nothing.")
    var estimate = false

    @Flag(help: "Print a JSON object for every report; the last one has steps, loss, skipped, seconds, memoryBytes.")
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
            throw ValidationError("--out is the model's own directory; name another.")
        }
        let shape = try GPT2Configuration(json: "\(model)/config.json")
        let tokens = try openTokenizer(directory: model).encode(bytes)
        let time = min(choices.time, shape.positions), windows = max(1, (tokens.count - 2) / time + 1)
        let perStep = choices.batch * choices.accumulate
        let total = steps ?? min(countLimit, epochs.clampedMultiplying(by: (windows + perStep - 1) / perStep))
        let configuration = try choices.configuration(steps: total)
        let team = Team(count: threads ?? ProcessInfo.processInfo.activeProcessorCount)
        let memory = try configuration.memory(of: shape, members: team.count)
        try refuseUnlessItFits(memory)
        if estimate { return }

        let (model, parameters) = try GPT2.open(directory: model, adapters: configuration.adapters)
        let trainer = try TextTrainer(model, parameters: parameters, tokens: tokens, configuration, team: team)
        try makeDirectory(at: out)
        let checkpoint = "\(out)/training.safetensors"
        if FileManager.default.fileExists(atPath: checkpoint), let damage = try trainer.restore(from: checkpoint) {
            TrainingProgress.tell("\(damage); training goes on from the checkpoint before.")
        }
        try train(trainer, until: total, checkpoint, memory)
    }

    private func train(_ trainer: TextTrainer, until total: Int, _ checkpoint: String, _ memory: TrainingMemory) throws {
        let stop = Stop()
        let interrupts = Interrupts { stop.ask() }
        defer { interrupts.cancel() }
        var progress = TrainingProgress(trainer, until: total, json: json)
        while trainer.steps < total, !stop.isAsked {
            progress.note(trainer.step())
            if trainer.steps.isMultiple(of: checkpointEvery) { try trainer.save(to: checkpoint) }
        }
        try trainer.save(to: checkpoint)
        if let adapters = trainer.configuration.adapters {
            try adapters.save(trainer.parameters, to: out, base: model)
        } else {
            try trainer.model.save(trainer.parameters, to: out, origin: model)
        }
        progress.conclude(in: out, memory: memory)
    }

    /// Tells what training takes, and refuses what there is no room for.
    private func refuseUnlessItFits(_ memory: TrainingMemory) throws {
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
            TrainingProgress.tell("Training takes \(memory.sentence).")
        }
        guard let limit, memory.total > limit else { return }
        throw ValidationError(
            "Training takes \(memory.sentence), but \(limit >> 20) MiB \(memoryLimit == nil ? "are free" : "are allowed"). A smaller --batch or --time, --recompute, --scope or --optimizer takes less."
        )
    }
}

/// Whether somebody wants the training to end after the step it is at.
private final class Stop: Sendable {
    private let asked = Atomic(false)

    var isAsked: Bool { asked.load(ordering: .relaxed) }
    func ask() { asked.store(true, ordering: .relaxed) }
}

extension TrainingMemory {
    fileprivate var sentence: String {
        func mebibytes(_ bytes: Int) -> String { String(format: "%.1f", Double(bytes) / 1_048_576) }
        return
            "\(mebibytes(total)) MiB: \(mebibytes(parameters)) parameters, \(mebibytes(gradients)) gradients, \(mebibytes(moments)) the optimiser's, \(mebibytes(activations)) activations"
    }
}
