import Applications
import ArgumentParser
import Foundation

/// Rare beats of an electrocardiogram, recognised as they arrive.
struct HeartbeatBench: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "ecg",
        abstract: "Recognises rare beats of an electrocardiogram as they arrive; their labels come later.",
        discussion: """
            Reads PATH.hea, its signal file (two leads, format 212) and PATH.atr. Where a beat is comes from the annotations; what kind it
            is, is learned some beats later. Beside the model: logistic regression on the same windows, one pass.

            Example:
              accrete-bench application ecg --record ../shared/data/ecg/100
            """
    )

    @Option(help: ArgumentHelp("A record, without an ending.", valueName: "path"))
    var record: String

    @Option(help: "The kind of beat: an annotation's letter. A is atrial premature; where there is none, the second commonest kind.")
    var beat: String?

    @Option(help: "A label comes so many beats after its beat.")
    var delay = 8

    @OptionGroup var plot: StreamPlot

    @Flag(help: "Print one JSON object and nothing else.")
    var json = false

    private struct Result: Encodable {
        let f1, baselineF1: Double
        let beat: String
        let beats, positives, found, falseAlarms, baselineFound, baselineFalseAlarms: Int
    }

    func validate() throws {
        guard (0...Self.delayLimit).contains(delay) else { throw ValidationError("--delay should be 0 to \(Self.delayLimit).") }
        guard beat.map({ $0.count == 1 }) ?? true else { throw ValidationError("--beat should be one letter.") }
    }

    private static let delayLimit = 10_000

    func run() throws {
        let cost = RunCost()
        let record = try HeartRecord(path: record)
        let usual: Character? = record.beats.contains { $0.kind == "A" } ? "A" : record.rareKind
        guard let kind = beat?.first ?? usual else {
            throw ApplicationFailure("All \(record.beats.count) beats are of one kind, so there is none to recognise.")
        }
        let scores = HeartbeatScores(record, kind: kind, delay: delay)
        guard scores.positives > 0 else {
            throw ApplicationFailure("None of the \(scores.beats) beats with a whole window is of the kind '\(kind)'.")
        }
        let result = Result(
            f1: scores.model.f1, baselineF1: scores.baseline.f1, beat: String(kind), beats: scores.beats, positives: scores.positives,
            found: scores.model.found, falseAlarms: scores.model.falseAlarms, baselineFound: scores.baseline.found,
            baselineFalseAlarms: scores.baseline.falseAlarms)
        try plot.write(
            "beats of the kind '\(kind)'", up: "beats so far",
            [
                StreamPlot.curve("there", scores.course.map { Double($0.positives) }),
                StreamPlot.curve("found", scores.course.map { Double($0.model.found) }),
                StreamPlot.curve("false alarms", scores.course.map { Double($0.model.falseAlarms) }),
                StreamPlot.curve("found, baseline", scores.course.map { Double($0.baseline.found) }),
                StreamPlot.curve("false, baseline", scores.course.map { Double($0.baseline.falseAlarms) }),
            ])
        if json { return try printJSON(result) }
        print("\(scores.beats) beats, \(scores.positives) of the kind '\(kind)'; labels \(delay) beats late; one pass")
        print(row("", ["F1", "found", "false alarms"]))
        print(
            row(
                "logistic on the window",
                [String(format: "%.3f", result.baselineF1), "\(result.baselineFound)", "\(result.baselineFalseAlarms)"]))
        print(row("model", [String(format: "%.3f", result.f1), "\(result.found)", "\(result.falseAlarms)"]))
        print(cost.line)
    }
}
