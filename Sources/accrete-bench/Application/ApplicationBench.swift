import ArgumentParser
import Foundation
import Statistics
import StrictJSON

/// Learning from streams of real applications, beside plain baselines in the same run.
struct ApplicationBench: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "application",
        abstract: "Predicts and learns streams of real applications once, beside plain baselines.",
        discussion: "Every figure is of predictions made before what they predict was learned.",
        subcommands: [
            StudentBench.self, CookingBench.self, PoseBench.self, HeartbeatBench.self, DialogueBench.self, TutoringBench.self,
            VisitBench.self,
        ]
    )
}

/// Why a stream cannot be scored, in one sentence.
struct ApplicationFailure: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) { self.description = description }
}

/// The wall time since a start and the largest memory of this process.
struct RunCost {
    private let start = ContinuousClock.now

    var seconds: Double { (ContinuousClock.now - start) / .seconds(1) }

    var line: String {
        var usage = rusage()
        getrusage(RUSAGE_SELF.rawValue, &usage)
        return String(format: "%.1f s of wall time, %d MB at most", seconds, usage.ru_maxrss / 1024)
    }
}

/// Settings with those of `--config`, a text in JSON, in their place.
func merged<S: Settings>(_ defaults: S, _ config: String?) throws -> S {
    guard let config else { return defaults }
    var settings = defaults
    do { try settings.merge(JSON(parsing: Array(config.utf8))) } catch { throw ValidationError("--config: \(error)") }
    return settings
}

/// Prints one JSON object, its keys in order.
func printJSON(_ value: some Encodable) throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = .sortedKeys
    print(String(decoding: try encoder.encode(value), as: UTF8.self))
}

/// A row of a table: a name of 28 columns, then cells of 12.
func row(_ name: String, _ cells: [String]) -> String {
    let padded = cells.map { String(repeating: " ", count: max(1, 12 - $0.count)) + $0 }
    return name.padding(toLength: 28, withPad: " ", startingAt: 0) + padded.joined()
}
