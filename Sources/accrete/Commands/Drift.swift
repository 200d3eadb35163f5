import ArgumentParser
import Foundation
import Statistics
import StrictJSON
import Wiring

/// `accrete drift`: runs a drift detector over a column of a file.
struct Drift: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Run a drift detector over a column of a CSV file and print the rows at which it reports a drift.",
        discussion: """
            Row 0 is the first after the header. DDM expects 0 for a correct prediction and any other number for an error. After a drift a
            detector is reset.

            Detectors and their default settings:
            \(detectors)

            Examples:
              accrete drift --detector ADWIN --column loss run.csv
              accrete drift --detector PageHinkley --settings '{"threshold": 10, "mode": "up"}' --column loss run.csv --json
            """
    )

    @Option(help: ArgumentHelp("One of \(driftDetectors.map(\.key).joined(separator: ", ")).", valueName: "name"))
    var detector: String

    @Option(help: ArgumentHelp("A JSON object that overrides the detector's default settings.", valueName: "json"))
    var settings = "{}"

    @Option(help: "The name of the column in the header line.")
    var column: String

    @Flag(help: "Print {\"at\": [rows]} and nothing else.")
    var json = false

    @Argument(help: ArgumentHelp("A comma-separated file with a header line.", valueName: "file.csv"))
    var file: String

    func run() throws {
        var detector = try NamedDetector(detector, settings: parsedSettings())
        let numbers = try CSVFile(path: file).numbers(of: column)
        let rows = numbers.indices.filter { detector.update(numbers[$0]) }
        if json {
            print(JSON.object(["at": .array(rows.map(JSON.integer))]))
        } else {
            for row in rows { print("drift of \(column) at row \(row): \(numbers[row])") }
            print("\(rows.count) \(rows.count == 1 ? "drift" : "drifts") in \(numbers.count) rows")
        }
    }

    private func parsedSettings() throws -> JSON {
        guard let value = try? JSONDecoder().decode(JSON.self, from: Data(settings.utf8)) else {
            throw ValidationError("--settings is not JSON: \(settings.prefix(80))")
        }
        return value
    }

    private static var detectors: String {
        driftDetectors.map { name, type in "  \(name) \(defaults(of: type))" }.joined(separator: "\n")
    }

    private static func defaults<Detector: DriftDetector>(of: Detector.Type) -> String { Detector.Configuration().json }
}
