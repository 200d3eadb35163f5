import Applications
import ArgumentParser
import Foundation
import Tensors

/// The section of a medical record that a dialogue belongs to.
struct DialogueBench: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "mts-dialog",
        abstract: "Recognises the section of a record that a doctor's and a patient's dialogue belongs to, learning in one pass.",
        discussion: """
            Reads the dialogues of --train once, predicting each before it is learned, then those of --test, which are not learned. Files
            have the columns section_header and dialogue. With --model a language model reads the beginning of each dialogue too. Beside
            the model: one softmax regression on words weighed by tf-idf.

            Example:
              accrete-bench application mts-dialog --train ../shared/data/mts_dialog/train.csv --test ../shared/data/mts_dialog/test1.csv
            """
    )

    @Option(help: ArgumentHelp("Dialogues to learn from.", valueName: "file"))
    var train: String

    @Option(help: ArgumentHelp("Dialogues to recognise afterwards.", valueName: "file"))
    var test: String

    @Option(
        help: ArgumentHelp("A language model that reads the dialogues too: a Hugging Face directory or a GGUF file.", valueName: "path"))
    var model: String?

    @OptionGroup var plot: StreamPlot

    @Flag(help: "Print one JSON object and nothing else.")
    var json = false

    /// The maximal number of tokens of a dialogue that the language model reads.
    private static let tokenLimit = 192

    private struct Result: Encodable {
        let prequentialAccuracy, testAccuracy, baselinePrequentialAccuracy, baselineTestAccuracy: Double
        let dialogues, testDialogues, sections: Int
    }

    func run() throws {
        let cost = RunCost()
        var reader = VisitDialogueReader()
        let training = try reader.dialogues(path: train), testing = try reader.dialogues(path: test)
        let team = Team(count: ProcessInfo.processInfo.activeProcessorCount)
        let language = try model.map { try TextReader(path: $0, limit: Self.tokenLimit, team: team) }
        let scores = DialogueScores(training, testing, vectors: language?.vectors ?? 0) { language?.read($0) ?? [] }
        let result = Result(
            prequentialAccuracy: scores.prequentialAccuracy, testAccuracy: scores.testAccuracy,
            baselinePrequentialAccuracy: scores.baselinePrequentialAccuracy, baselineTestAccuracy: scores.baselineTestAccuracy,
            dialogues: training.count, testDialogues: testing.count, sections: reader.sections.count)
        try plot.write(
            "section of a dialogue", up: "right, %",
            [
                StreamPlot.shares("model", scores.learning.map { $0.model }),
                StreamPlot.shares("tf-idf", scores.learning.map { $0.baseline }),
            ])
        if json { return try printJSON(result) }
        print("\(training.count) dialogues of \(reader.sections.count) sections, one pass; then \(testing.count) others")
        print(row("", ["one pass", "test"]))
        func cells(_ shares: Double...) -> [String] { shares.map { String(format: "%.1f %%", 100 * $0) } }
        print(row("tf-idf", cells(result.baselinePrequentialAccuracy, result.baselineTestAccuracy)))
        print(row("model", cells(result.prequentialAccuracy, result.testAccuracy)))
        print(cost.line)
    }
}
