import ArgumentParser
import Foundation
import Learning
import Statistics

/// The Electricity stream, one row at a time: each is predicted, then learned.
struct Electricity: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "electricity",
        abstract: "Predicts and learns a CSV stream row by row; its last column is a class of 0 or 1.",
        discussion: """
            Features are standardised by their running mean and deviation. Beside the model: always the commoner class so far, and
            always the last label, which on Electricity is hard to beat.

            Example:
              accrete-bench electricity --data shared/data/streams/elec.csv
            """
    )

    @Option(help: ArgumentHelp("The file; every column but the last is a number.", valueName: "file"))
    var data: String

    @Option(help: "A name of an optimiser.")
    var optimizer = "sgd"

    @Option(help: "Its learning rate.")
    var learningRate = 0.5

    @Option(parsing: .upToNextOption, help: "Widths of hidden layers; none is logistic regression.")
    var hidden: [Int] = []

    @Flag(help: "Print one JSON object and nothing else.")
    var json = false

    private struct Result: Encodable {
        let rows: Int
        let accuracy, majority, lastLabel, samplesPerSecond: Double
    }

    func run() throws {
        let file = try CSVFile(path: data)
        guard let target = file.columns.last else { throw CSVFile.Failure.noHeader(path: data) }
        let columns = try file.columns.dropLast().map { try file.numbers(of: $0) }
        let labels = try file.numbers(of: target).map { $0 > 0 ? 1 : 0 }
        var learning = ClassifierLearner.Configuration()
        (learning.strategy, learning.batch) = ("always", 1)
        (learning.optimizer, learning.optimizerSettings) = (optimizer, ["learning_rate": .number(learningRate)])
        let learner = try ClassifierLearner(
            ClassifierNetwork(features: columns.count, hidden: hidden, classes: 2), learning, seed: 1)

        var moments = columns.map { _ in RunningMoments() }
        var model = ConfusionMatrix(), majority = ConfusionMatrix(), lastLabel = ConfusionMatrix()
        var ones = 0
        let start = ContinuousClock.now
        for (row, label) in labels.enumerated() {
            let features = columns.indices.map { column in
                moments[column].add(columns[column][row])
                return Float((columns[column][row] - moments[column].mean) / max(1e-3, moments[column].standardDeviation))
            }
            let probabilities = learner.learn([.init(features: features, label: label)])[0]
            model.add(truth: label, answer: probabilities[1] > probabilities[0] ? 1 : 0)
            majority.add(truth: label, answer: 2 * ones > row ? 1 : 0)
            lastLabel.add(truth: label, answer: row > 0 ? labels[row - 1] : 0)
            ones += label
        }
        let seconds = (ContinuousClock.now - start) / .seconds(1)
        let result = Result(
            rows: labels.count, accuracy: model.accuracy ?? 0, majority: majority.accuracy ?? 0, lastLabel: lastLabel.accuracy ?? 0,
            samplesPerSecond: Double(labels.count) / seconds)
        if json {
            print(String(decoding: try JSONEncoder().encode(result), as: UTF8.self))
        } else {
            print(
                String(
                    format: "%d rows: model %.2f %%, commoner class %.2f %%, last label %.2f %%; %.0f samples a second",
                    result.rows, 100 * result.accuracy, 100 * result.majority, 100 * result.lastLabel, result.samplesPerSecond))
        }
    }
}
