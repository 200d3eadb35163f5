import ArgumentParser
import Foundation
import Learning
import Model
import StrictJSON
import Tensors

/// A small model that learns beside a larger one from the same stream: what following the larger one's predictions is worth.
struct DistillationBench: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "distillation",
        abstract: "Prequential accuracy of a model, of a student of a quarter of its parameters, and of the same student alone.",
        discussion: """
            One pass over images, speech in noise and ambiguous captions of digits. Each moment is predicted by all three, then learned by
            all three; the student also learns the probabilities that the larger model served for it, before either knew the label.

            Example:
              accrete-bench distillation --data ../shared/data/av3mnist --seeds 3
            """)

    @Option(help: "The directory with manifest.csv, images-idx3-ubyte and audio/.") var data: String
    @Option(help: "A fusion.") var fusion = "late"
    @Option(help: "Initialisations, numbered from 1.") var seeds = 3
    @Option(help: "The weight of the teacher's logits in the student's loss.") var weight = 0.5
    @Flag(help: "One JSON object a model.") var json = false

    private struct Row {
        let name: String, parameters: Int
        var accuracy = Accuracies()
        var seconds = 0.0
    }

    func run() throws {
        let moments = try AV3MNISTData(directory: data).moments(dropping: false)
        let large = try model { _ in }
        let small = try model { c in
            (c.width, c.joint, c.text.buckets) = (c.width / 2, c.joint / 2, c.text.buckets / 4)
            for sense in c.senses.indices { c.senses[sense].hidden /= 4 }
        }
        func count(_ model: MultimodalModel) -> Int { model.layout.count }
        var rows = [
            Row(name: "teacher", parameters: count(large)), Row(name: "student", parameters: count(small)),
            Row(name: "student alone", parameters: count(small)),
        ]
        var taught = OnlineLearner.Configuration()
        (taught.strategy, taught.strategySettings) = ("student", .object(["taught_weight": .number(weight)]))
        for seed in 1...max(1, seeds) {
            let learners = [
                try OnlineLearner(large, seed: UInt64(seed)), try OnlineLearner(small, taught, seed: UInt64(seed)),
                try OnlineLearner(small, seed: UInt64(seed)),
            ]
            for (index, correct) in try pass(learners, over: moments, seconds: { rows[$0].seconds += $1 }).enumerated() {
                rows[index].accuracy.add(correct)
            }
        }
        report(rows, moments: moments.count)
    }

    private func model(_ change: (inout MultimodalConfiguration) -> Void) throws -> MultimodalModel {
        var configuration = MultimodalConfiguration()
        (configuration.fusion, configuration.senses) = (fusion, [.image, .audio])
        change(&configuration)
        return try MultimodalModel(configuration)
    }

    /// Whether each model was right about each moment; the first is the teacher.
    private func pass(
        _ learners: [OnlineLearner], over moments: [MomentInput], seconds: (Int, Double) -> Void
    ) throws -> [[Bool]] {
        let serving = learners.map { MultimodalGraph.predicting($0.model, parameters: $0.parameters, batch: 1, languageRows: 0) }
        var correct = learners.map { _ in [Bool]() }
        for moment in moments {
            var served: [Float] = []
            for (index, graph) in serving.enumerated() {
                graph.set(moment, row: 0)
                graph.forward()
                let prediction = graph.prediction(row: 0)
                correct[index].append(prediction.decided == moment.label)
                if index == 0 { served = prediction.probabilities }
            }
            for (index, learner) in learners.enumerated() {
                let start = ContinuousClock.now
                try learner.learn(moment, teacher: index == 1 ? TaughtReplay.logits(of: served) : [])
                seconds(index, (ContinuousClock.now - start) / .seconds(1))
            }
        }
        return correct
    }

    private func report(_ rows: [Row], moments: Int) {
        func spread(_ numbers: [Double]) -> String { String(format: "%.1f ± %.1f", numbers.mean, numbers.deviation) }
        if !json { print("| | parameters | all, % | last 500, % | learning, ms a moment |\n|---|---|---|---|---|") }
        for row in rows {
            let milliseconds = 1000 * row.seconds / Double(max(1, moments * seeds))
            if json {
                func numbers(_ all: [Double]) -> JSON { .array(all.map { .number($0) }) }
                print(
                    JSON.object([
                        "model": .string(row.name), "parameters": .integer(row.parameters), "all": numbers(row.accuracy.all),
                        "last500": numbers(row.accuracy.last500), "millisecondsPerMoment": .number(milliseconds),
                    ]).text())
            } else {
                print(
                    "| \(row.name) | \(row.parameters) | \(spread(row.accuracy.all)) | \(spread(row.accuracy.last500)) | "
                        + String(format: "%.1f |", milliseconds))
            }
        }
    }
}
