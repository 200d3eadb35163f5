import Applications
import ArgumentParser
import Foundation

/// The section of a medical record that a dialogue belongs to.
struct DialogueBench: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "mts-dialog",
        abstract: "Recognises the section of a record that a doctor's and a patient's dialogue belongs to, learning in one pass.",
        discussion: """
            Reads the dialogues of --train once, predicting each before it is learned, then those of --test, which are not learned. Files
            have the columns section_header and dialogue. Beside the model: one softmax regression on words weighed by tf-idf.

            Example:
              accrete-bench application mts-dialog --train ../shared/data/mts_dialog/train.csv --test ../shared/data/mts_dialog/test1.csv
            """
    )

    @Option(help: ArgumentHelp("Dialogues to learn from.", valueName: "file"))
    var train: String

    @Option(help: ArgumentHelp("Dialogues to recognise afterwards.", valueName: "file"))
    var test: String

    @Option(help: ArgumentHelp("A language model. It is accepted but not used: words' statistics alone recognise.", valueName: "path"))
    var model: String?

    @Flag(help: "Print one JSON object and nothing else.")
    var json = false

    private struct Result: Encodable {
        let prequentialAccuracy, testAccuracy, baselinePrequentialAccuracy, baselineTestAccuracy: Double
        let dialogues, testDialogues, sections: Int
    }

    func run() throws {
        if model != nil { try FileHandle.standardError.write(contentsOf: Data("mts-dialog: --model is not used\n".utf8)) }
        let cost = RunCost()
        var reader = VisitDialogueReader()
        let training = try reader.dialogues(path: train), testing = try reader.dialogues(path: test)
        let scores = DialogueScores(training, testing)
        let result = Result(
            prequentialAccuracy: scores.prequentialAccuracy, testAccuracy: scores.testAccuracy,
            baselinePrequentialAccuracy: scores.baselinePrequentialAccuracy, baselineTestAccuracy: scores.baselineTestAccuracy,
            dialogues: training.count, testDialogues: testing.count, sections: reader.sections.count)
        if json { return try printJSON(result) }
        print("\(training.count) dialogues of \(reader.sections.count) sections, one pass; then \(testing.count) others")
        print(row("", ["one pass", "test"]))
        func cells(_ shares: Double...) -> [String] { shares.map { String(format: "%.1f %%", 100 * $0) } }
        print(row("tf-idf", cells(result.baselinePrequentialAccuracy, result.baselineTestAccuracy)))
        print(row("model", cells(result.prequentialAccuracy, result.testAccuracy)))
        print(cost.line)
    }
}
