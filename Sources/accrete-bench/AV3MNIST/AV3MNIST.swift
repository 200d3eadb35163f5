import ArgumentParser
import Foundation
import Learning
import Model

/// One online pass over images, speech in noise and ambiguous captions of digits: each moment is tested, then learned.
struct AV3MNIST: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "av3mnist",
        abstract: "Prequential accuracy of every fusion and of single modalities in one online pass.",
        discussion: """
            Examples:
              accrete-bench av3mnist --data ../shared/data/av3mnist --seeds 3
              accrete-bench av3mnist --data ../shared/data/av3mnist --lost          without each sense, and models never trained with it
              accrete-bench av3mnist --data ../shared/data/av3mnist --fusion early --frozen-after 0
            """)

    @Option(help: "The directory with manifest.csv, images-idx3-ubyte and audio/.")
    var data: String

    @Option(help: "A fusion; repeat for several. All, if not given.")
    var fusion: [String] = []

    @Option(help: "Initialisations, numbered from 1.")
    var seeds = 3

    @Option(help: "The encoder of the images.")
    var imageEncoder = "dense"

    @Option(help: "The encoder of the audio.")
    var audioEncoder = "dense"

    @Option(name: .customLong("combination"), help: "How late fusion joins: learned, product, mean.")
    var combination = "learned"

    @Option(help: "The encoders learn no more after so many moments.")
    var frozenAfter: Int?

    @Flag(help: "Leave out what the data's column `drop` names.")
    var drop = false

    @Flag(help: "Answer each moment also without each sense, and compare with models that are trained without it.")
    var lost = false

    @Flag(help: "Leave out the passes of single modalities.")
    var fusionsOnly = false

    @Flag(help: "One JSON object.")
    var json = false

    struct Result: Encodable {
        var name: String
        var accuracy: Accuracies
        /// By the sense that was lost when answering.
        var without: [String: Accuracies] = [:]
        /// By the sense, of models that never had it.
        var never: [String: Accuracies] = [:]
        var millisecondsPerMoment: Double
    }

    func run() throws {
        let moments = try AV3MNISTData(directory: data).moments(dropping: drop)
        var results: [Result] = []
        if !json { print("| | all | last 500 | ms a moment |\n|---|---|---|---|") }
        for name in fusion.isEmpty ? fusions.map(\.key) : fusion {
            var result = try result(of: name, name, moments, masks: lost ? AV3MNISTData.modalities : [])
            for modality in lost ? AV3MNISTData.modalities : [] {
                result.never[modality] = try self.result(
                    of: "\(name), trained without \(modality)", name, moments.map { $0.leaving(out: [modality]) }
                ).accuracy
            }
            results.append(result)
        }
        for name in fusionsOnly ? [] : AV3MNISTData.modalities {
            try results.append(result(of: "\(name) alone", "late", moments.map { $0.keeping(only: name) }))
        }
        if json {
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.sortedKeys, .prettyPrinted]
            print(String(decoding: try encoder.encode(results), as: UTF8.self))
        } else if lost {
            describeLosses(results.filter { !$0.never.isEmpty })
        }
    }

    private func result(of label: String, _ fusion: String, _ moments: [MomentInput], masks: [String] = []) throws -> Result {
        var configuration = MultimodalConfiguration()
        configuration.fusion = fusion
        configuration.combination = combination
        configuration.senses = [.image, .audio]
        configuration.senses[0].encoder = imageEncoder
        configuration.senses[1].encoder = audioEncoder
        let model = try MultimodalModel(configuration)
        let start = ContinuousClock.now
        var result = Result(name: label, accuracy: Accuracies(), millisecondsPerMoment: 0)
        for seed in 1...max(1, seeds) {
            let pass = AV3MNISTPass(masks: masks, learner: try OnlineLearner(model, seed: UInt64(seed)), frozenAfter: frozenAfter)
            for (mask, correct) in try pass.run(over: moments) {
                if mask.isEmpty { result.accuracy.add(correct) } else { result.without[mask, default: Accuracies()].add(correct) }
            }
        }
        result.millisecondsPerMoment = 1000 * ((ContinuousClock.now - start) / .seconds(1)) / Double(max(1, seeds) * moments.count)
        if !json {
            print(
                "| \(label) | \(spread(result.accuracy.all)) | \(spread(result.accuracy.last500)) | "
                    + "\(String(format: "%.1f", result.millisecondsPerMoment)) |"
            )
        }
        return result
    }

    /// The accuracy over the last 500 moments without a sense, and that of a model trained without it.
    private func describeLosses(_ results: [Result]) {
        print("\n| last 500 | without | accuracy | never had it | errors, ratio |\n|---|---|---|---|---|")
        for result in results {
            for modality in AV3MNISTData.modalities {
                guard let without = result.without[modality], let never = result.never[modality] else { continue }
                let ratio = (100 - without.last500.mean) / max(0.1, 100 - never.last500.mean)
                print(
                    "| \(result.name) | \(modality) | \(spread(without.last500)) | \(spread(never.last500)) | "
                        + "\(String(format: "%.2f", ratio)) |"
                )
            }
        }
    }

    private func spread(_ numbers: [Double]) -> String { String(format: "%.1f ± %.1f", numbers.mean, numbers.deviation) }
}
