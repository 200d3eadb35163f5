import Files
import Foundation
import Learning
import Model
import StrictJSON

/// Tells how training goes, about once a second.
struct TrainingProgress {
    private let trainer: TextTrainer
    private let total: Int
    private let json: Bool
    private let first: Int
    private let start = ContinuousClock.now
    private var told = ContinuousClock.now
    private var losses = 0.0
    private var counted = 0
    private var last: TextTrainer.Outcome?

    init(_ trainer: TextTrainer, until total: Int, json: Bool) {
        self.trainer = trainer
        self.total = total
        self.json = json
        first = trainer.steps
        if first > 0, !json { Self.tell("Goes on after step \(first).") }
    }

    private var seconds: Double { start.duration(to: .now) / .seconds(1) }
    private var loss: Double { counted > 0 ? losses / Double(counted) : .nan }

    mutating func note(_ outcome: TextTrainer.Outcome) {
        last = outcome
        if outcome.loss.isFinite {
            losses += outcome.loss
            counted += 1
        }
        guard told.duration(to: .now) >= .seconds(1) else { return }
        told = .now
        let rate = Double(trainer.steps - first) / seconds
        if json {
            print(JSON.object(members).text())
        } else {
            Self.tell(
                String(
                    format: "step %d of %d, epoch %d: loss %.4f, gradient %.3f, rate %.2e, %.1f steps a second, %.0f s to go",
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
                    format: "%@ after %d of %d steps, %d skipped because something was not finite; last loss %.4f; %.1f s.", directory,
                    trainer.steps, total,
                    trainer.skipped, last?.loss ?? .nan, seconds))
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

    static func tell(_ line: String) { StandardError.write(line + "\n") }
}
