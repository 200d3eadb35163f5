import Applications
import ArgumentParser
import Foundation
import Statistics

/// Whether students answer right, each a session, in one pass.
struct StudentBench: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "assist09",
        abstract: "Predicts whether students answer right, learning in one pass; figures are of students never seen before.",
        discussion: """
            Reads the students of --train once, then those of --test, predicting each answer before it is learned; without --test every
            fifth student comes last and is the test. Files have the columns user_id, item_id, skill_id and correct (0 or 1), separated by
            tabs or commas; rows of one answer with several skills become one answer. Beside the model: Elo's ratings, and logistic
            regression on counts (Best-LR).

            Example:
              accrete-bench application assist09 --train ../shared/data/assist09/train.csv
            """
    )

    @Option(help: ArgumentHelp("Answers of students to learn from.", valueName: "file"))
    var train: String

    @Option(help: ArgumentHelp("Answers of other students, predicted and learned after those.", valueName: "file"))
    var test: String?

    @Option(help: "Seeds the network's initial weights.")
    var seed: UInt64 = 1

    @Option(help: ArgumentHelp("Leave out the test of every fifth student, and test on the students before each.", visibility: .hidden))
    var fold = 4

    @OptionGroup var plot: StreamPlot

    @Flag(help: "Print one JSON object and nothing else.")
    var json = false

    private struct Figures: Encodable {
        let auc, logLoss, accuracy: Double

        init(_ scores: BinaryScores) throws {
            guard let area = scores.areaUnderCurve, let loss = scores.logLoss, let accuracy = scores.accuracy else {
                throw ApplicationFailure("The test needs right and wrong answers; of \(scores.count) there, \(scores.positives) are right.")
            }
            (auc, logLoss, self.accuracy) = (area, loss, accuracy)
        }

        var cells: [String] { [auc, logLoss, accuracy].map { String(format: "%.4f", $0) } }
    }

    private struct Result: Encodable {
        let auc, logLoss, accuracy, answersPerSecond: Double
        let answers, testAnswers: Int
        let elo, bestLR: Figures
    }

    func run() throws {
        let cost = RunCost()
        let (training, testing) = try sessions()
        var model = StudentModel(seed: seed)
        let start = ContinuousClock.now
        _ = model.read(training)
        let scores = model.read(testing)
        let seconds = (ContinuousClock.now - start) / .seconds(1)
        var elo = RatingBaseline(), bestLR = LogisticBaseline()
        (_, _) = (elo.read(training), bestLR.read(training))
        let figures = try Figures(scores), answers = (training + testing).reduce(0) { $0 + $1.count }
        let result = Result(
            auc: figures.auc, logLoss: figures.logLoss, accuracy: figures.accuracy, answersPerSecond: Double(answers) / max(1e-9, seconds),
            answers: answers, testAnswers: scores.count, elo: try Figures(elo.read(testing)), bestLR: try Figures(bestLR.read(testing)))
        if plot.path != nil { try drawPlot(training + testing) }
        if json { return try printJSON(result) }
        print("\(training.count) students, then \(testing.count) others with \(scores.count) answers; one pass")
        print(row("", ["AUC", "log loss", "accuracy"]))
        print(row("Elo", result.elo.cells))
        print(row("Best-LR, Adagrad", result.bestLR.cells))
        print(row("model", figures.cells))
        print(String(format: "%.0f answers a second; ", result.answersPerSecond) + cost.line)
    }

    /// The area under the curve in each part of the stream, in another pass.
    private func drawPlot(_ sessions: [[StudentAnswer]]) throws {
        func curve(_ name: String, _ model: some AnswerPredictor) -> LinePlot.Curve {
            var model = model
            return StreamPlot.curve(name, StreamPlot.parts(of: sessions).map { model.read(Array($0)).areaUnderCurve ?? 0.5 })
        }
        try plot.write(
            "students' answers", up: "AUC",
            [curve("model", StudentModel(seed: seed)), curve("Best-LR", LogisticBaseline()), curve("Elo", RatingBaseline())])
    }

    private func sessions() throws -> (training: [[StudentAnswer]], testing: [[StudentAnswer]]) {
        var reader = StudentAnswerReader()
        let all = try reader.sessions(path: train)
        if let test { return (all, try reader.sessions(path: test)) }
        return (
            all.enumerated().filter { $0.offset % 5 != 4 && (fold == 4 || $0.offset % 5 != fold) }.map(\.element),
            all.enumerated().filter { $0.offset % 5 == fold }.map(\.element)
        )
    }
}
