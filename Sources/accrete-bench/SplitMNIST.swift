import ArgumentParser
import Evaluation
import Foundation
import Learning
import Statistics
import StrictJSON
import Wiring

/// Class-incremental learning of digits, two at a time, in one pass: measures the accuracy on all digits at the end.
struct SplitMNIST: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "split-mnist",
        abstract: "Learns MNIST two digits at a time in one pass and reports accuracy and forgetting.",
        discussion: """
            A network of 784-400-400-10 with all ten classes from the start, batches of 10; tested on devtest after each of the five
            tasks. Seeds vary order, starting weights and memory. Forgetting is the mean loss from each task's best.

            Example:
              accrete-bench split-mnist --data shared/data/mnist --seeds 5
            """
    )

    @Option(help: ArgumentHelp("The directory with train-* and devtest-* in MNIST's format.", valueName: "dir"))
    var data: String

    @Option(help: "How many seeds each row is run with.")
    var seeds = 5

    @Option(help: ArgumentHelp("Only rows whose name contains this.", valueName: "text"))
    var only = ""

    @Flag(help: "Print one JSON object a row and nothing else.")
    var json = false

    private struct Row {
        let name: String
        let learning: ClassifierLearner.Configuration

        init(_ strategy: String, memory: Int, _ optimizer: String, rate: Double) {
            name = "\(strategy)\(memory > 0 ? " \(memory)" : "") \(optimizer):\(rate)"
            var learning = ClassifierLearner.Configuration()
            (learning.strategy, learning.memory, learning.batch) = (strategy, memory, SplitMNIST.batch)
            (learning.optimizer, learning.optimizerSettings) = (optimizer, ["learning_rate": .number(rate)])
            learning.replayed = strategy == "der-ace" ? 32 : 10
            learning.strategySettings = SplitMNIST.settings(of: strategy, replayed: learning.replayed)
            if strategy == "der-ace" { learning.replay = "class-balanced" }
            self.learning = learning
        }
    }

    private static let batch = 10

    /// The settings of the papers: as many matched rows as replayed rows, and the recent classes are those of the batch.
    private static func settings(of strategy: String, replayed: Int) -> JSON {
        var settings: [String: JSON] = [:]
        if strategy.hasPrefix("der") { settings["match_rows"] = .integer(replayed) }
        if strategy.hasSuffix("ace") { settings["window"] = 1 }
        if strategy == "lwf" { settings["distill_weight"] = 1 }
        return .object(settings)
    }

    private static let rows: [Row] = [("sgd", 0.05), ("adam", 0.001)].flatMap { optimizer, rate in
        ["always", "lwf", "ewc"].map { Row($0, memory: 0, optimizer, rate: rate) }
            + ["er", "der++", "er-ace", "der-ace"].flatMap { strategy in
                [200, 500, 1000].map { Row(strategy, memory: $0, optimizer, rate: rate) }
            }
    }

    private struct Result: Encodable {
        let name: String
        let accuracy: [Double]
        let meanAccuracy, deviation, forgetting, prequential, seconds: Double
        let tasks: [Double]
    }

    func run() throws {
        let train = try Self.samples(data, "train"), test = try Self.samples(data, "devtest")
        if !json { print("method                     accuracy         forgetting   per task              prequential   seconds") }
        for row in Self.rows where only.isEmpty || row.name.contains(only) {
            let result = try measure(row, train, test)
            if json {
                print(String(decoding: try JSONEncoder().encode(result), as: UTF8.self))
            } else {
                let tasks = result.tasks.map { String(format: "%3.0f", 100 * $0) }.joined(separator: " ")
                print(
                    row.name.padding(toLength: 26, withPad: " ", startingAt: 0)
                        + String(
                            format: "%6.2f ± %4.2f %12.1f     %@ %12.1f %10.1f", 100 * result.meanAccuracy, 100 * result.deviation,
                            100 * result.forgetting, tasks, 100 * result.prequential, result.seconds))
            }
        }
    }

    private static func samples(_ directory: String, _ part: String) throws -> [ClassifierLearner.Sample] {
        let images = try IDXFile(path: "\(directory)/\(part)-images-idx3-ubyte").vectors
        let labels = try IDXFile(path: "\(directory)/\(part)-labels-idx1-ubyte").bytes
        return zip(images, labels).map { ClassifierLearner.Sample(features: $0, label: Int($1)) }
    }

    private func measure(_ row: Row, _ train: [ClassifierLearner.Sample], _ test: [ClassifierLearner.Sample]) throws -> Result {
        let start = ContinuousClock.now
        let runs = try (0..<seeds).map { try pass(row, train, test, seed: UInt64($0)) }
        var accuracy = RunningMoments()
        for run in runs { accuracy.add(run.accuracy) }
        func mean(_ values: [Double]) -> Double { values.reduce(0, +) / Double(values.count) }
        return Result(
            name: row.name, accuracy: runs.map(\.accuracy), meanAccuracy: accuracy.mean, deviation: accuracy.standardDeviation,
            forgetting: mean(runs.compactMap(\.matrix.forgetting)), prequential: mean(runs.map(\.prequential)),
            seconds: (ContinuousClock.now - start) / .seconds(1) / Double(seeds),
            tasks: (0..<5).map { task in mean(runs.compactMap { $0.matrix.accuracy.last?[task] }) })
    }

    private func pass(_ row: Row, _ train: [ClassifierLearner.Sample], _ test: [ClassifierLearner.Sample], seed: UInt64) throws
        -> (accuracy: Double, matrix: AccuracyMatrix, prequential: Double)
    {
        var random = RandomSource(seed: seed)
        let learner = try ClassifierLearner(
            ClassifierNetwork(features: 784, hidden: [400, 400], classes: 10), row.learning, seed: random.next())
        let server = ClassifierServer(learner.network, parameters: learner.parameters)
        var matrix = AccuracyMatrix(domains: (0..<5).map { "\(2 * $0) and \(2 * $0 + 1)" })
        var prequential = ConfusionMatrix(), final = 0.0
        for task in 0..<5 {
            var stream = train.filter { $0.label / 2 == task }
            random.shuffle(&stream)
            for start in stride(from: 0, to: stream.count, by: Self.batch) {
                let batch = Array(stream[start..<min(start + Self.batch, stream.count)])
                for (probabilities, sample) in zip(learner.learn(batch), batch) {
                    prequential.add(truth: sample.label, answer: probabilities.argmax ?? 0)
                }
            }
            learner.consolidate()
            var confusion = (0..<5).map { _ in ConfusionMatrix() }
            for (sample, answer) in zip(test, server.classes(of: test.map(\.features))) {
                confusion[sample.label / 2].add(truth: sample.label, answer: answer)
            }
            matrix.append(confusion.map { $0.accuracy ?? 0 })
            final = Double(confusion.reduce(0) { $0 + $1.correct }) / Double(test.count)
        }
        return (final, matrix, prequential.accuracy ?? 0)
    }
}
