import Files
import Foundation
import Learning
import Model
import StrictJSON

/// Reports the progress of training about once a second.
struct TrainingProgress {
    private let trainer: TextTrainer
    private let total: Int
    private let json: Bool
    private let first: Int
    private let start = ContinuousClock.now
    private var reported = ContinuousClock.now
    private var losses = 0.0
    private var counted = 0
    private var last: TextTrainer.Outcome?

    init(_ trainer: TextTrainer, until total: Int, json: Bool) {
        self.trainer = trainer
        self.total = total
        self.json = json
        first = trainer.steps
        if first > 0, !json { Self.write("Continuing after step \(first).") }
    }

    private var seconds: Double { start.duration(to: .now) / .seconds(1) }
    private var loss: Double { counted > 0 ? losses / Double(counted) : .nan }

    mutating func note(_ outcome: TextTrainer.Outcome) {
        last = outcome
        if outcome.loss.isFinite {
            losses += outcome.loss
            counted += 1
        }
        guard reported.duration(to: .now) >= .seconds(1) else { return }
        reported = .now
        let rate = Double(trainer.steps - first) / seconds
        if json {
            print(JSON.object(members).text())
        } else {
            Self.write(
                String(
                    format: "step %d of %d, epoch %d: loss %.4f, gradient norm %.3f, rate %.2e, %.1f steps/s, %.0f s remaining",
                    trainer.steps, total,
                    trainer.epoch + 1, loss, outcome.gradientNorm, outcome.learningRate, rate, Double(total - trainer.steps) / rate))
        }
        (losses, counted) = (0, 0)
    }

    func conclude(in directory: String, memory: TrainingMemory) {
        if json {
            print(JSON.object(members.merging(["memoryBytes": .integer(memory.total)]) { $1 }).text())
        } else {
            print(
                String(
                    format: "Saved in %@ after %d of %d steps, %d skipped because of numbers not finite; last loss %.4f; %.1f s.",
                    directory, trainer.steps, total, trainer.skipped, last?.loss ?? .nan, seconds))
        }
    }

    private var members: [String: JSON] {
        func number(_ value: Double?) -> JSON { value.flatMap { $0.isFinite ? .number($0) : nil } ?? .null }
        return [
            "steps": .integer(trainer.steps), "of": .integer(total), "epoch": .integer(trainer.epoch), "loss": number(last?.loss),
            "gradientNorm": number(last?.gradientNorm), "learningRate": number(last?.learningRate), "skipped": .integer(trainer.skipped),
            "seconds": .number(seconds),
        ]
    }

    static func write(_ line: String) { StandardError.write(line + "\n") }
}
