import ArgumentParser
import Foundation
import Learning
import StrictJSON
import Tensors

/// `accrete model verify`: compares a model with the numbers of a reference implementation.
struct Verify: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Compare a language model's logits, loss, gradients and optimiser steps with those of a reference implementation.",
        discussion: """
            FILE is a safetensors file with input_ids, labels, logits, loss, grad.NAME and, for each optimiser OPT, OPT.losses and \
            OPT.NAME; the .json file of the same name contains the optimisers' settings. For each kind of number the largest difference is \
            printed, and the largest relative to a tensor's norm. The exit status is 1 if a difference is larger than float32 rounding \
            explains.

            Example:
              accrete model verify --model fixture/model --expected fixture/expected.safetensors
            """
    )

    @Option(help: modelHelp)
    var model: String

    @Option(help: ArgumentHelp("The numbers of the reference implementation.", valueName: "file"))
    var expected: String

    @Flag(help: "Print one JSON object.")
    var json = false

    func run() throws {
        let verification = try ModelVerification(
            model: model, expected: expected, team: Team(count: ProcessInfo.processInfo.activeProcessorCount))
        if json {
            let kinds = verification.differences.map { ($0.kind, $0.json) }
            print(
                JSON.object([
                    "agrees": .bool(verification.agrees), "differences": .object(Dictionary(uniqueKeysWithValues: kinds)),
                ]).text())
        } else {
            for difference in verification.differences { print(difference.line) }
            print(verification.agrees ? "The model agrees." : "The model does not agree.")
        }
        if !verification.agrees { throw ExitCode(1) }
    }
}

extension ModelVerification.Difference {
    fileprivate var json: JSON {
        func number(_ value: Double) -> JSON { value.isFinite ? .number(value) : .string("not finite") }
        return .object([
            "absolute": number(absolute), "relative": number(relative), "tolerance": .number(tolerance), "agrees": .bool(agrees),
            "tensor": .string(tensor),
        ])
    }

    fileprivate var line: String {
        kind.padding(toLength: 12, withPad: " ", startingAt: 0)
            + String(format: "absolute %.2e  relative %.2e of at most %.0e  ", absolute, relative, tolerance)
            + (agrees ? "agrees" : "differs at \(tensor)")
    }
}
