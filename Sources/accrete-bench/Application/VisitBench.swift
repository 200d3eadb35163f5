import Applications
import ArgumentParser
import Foundation
import OnlineLanguage
import Tensors

/// Whole visits to a doctor, followed as they are spoken.
struct VisitBench: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "aci-bench",
        abstract: "Follows doctors' and patients' visits as they are spoken, learning in one pass.",
        discussion: """
            Reads visits in the order of the files, each with the columns dialogue and note. A language model predicts the dialogue, some
            tokens at a time, in bits per byte, and then learns them by adapters and a memory of tokens; the same model, frozen, beside it.
            Both see what was said before in the same visit. Names of drugs and persons that are said again have figures of their own: what
            they cost in bits the first time, and later. Notes are not predicted: they tell which words are names of persons.

            With --private every visit begins with the model as it is in the file, so that nothing of a visit reaches another.

            It reads and predicts what is said; it gives no diagnosis and no advice.

            --config replaces settings of how visits are learned, in JSON:
              \(VisitFollower.settings.json)

            Example:
              accrete-bench application aci-bench --model models/smollm2-135m-instruct.gguf --data ../shared/data/aci_bench/train.csv
            """
    )

    @Option(help: ArgumentHelp("A Hugging Face directory or a GGUF file.", valueName: "path"))
    var model: String

    @Option(name: .customLong("data"), parsing: .upToNextOption, help: ArgumentHelp("Visits as CSV.", valueName: "file"))
    var files: [String]

    @Option(help: ArgumentHelp("Settings of how visits are learned, in JSON.", valueName: "json"))
    var config: String?

    @Option(help: "Read only so many visits.")
    var first: Int?

    @Flag(name: .customLong("private"), help: "Nothing of a visit reaches another.")
    var isPrivate = false

    @OptionGroup var plot: StreamPlot

    @Flag(help: "Print one JSON object and nothing else.")
    var json = false

    private struct Result: Encodable {
        let bitsPerByte, bitsPerByteWithoutMemory, frozenBitsPerByte: Double
        /// Bits of a name of a drug or person, said for the first time in its visit, and later.
        let firstNameBits, frozenFirstNameBits, laterNameBits, frozenLaterNameBits: Double
        let firstNames, laterNames, visits, bytes: Int
        let isPrivate: Bool
    }

    func validate() throws {
        guard first.map({ $0 > 0 }) ?? true else { throw ValidationError("--first should be at least 1.") }
    }

    func run() throws {
        let cost = RunCost(), settings = try merged(VisitFollower.settings, config)
        let visits = try files.flatMap { try RecordedVisit.read(path: $0) }.prefix(first ?? .max)
        let team = Team(count: ProcessInfo.processInfo.activeProcessorCount)
        let follower = try VisitFollower(path: model, settings, isPrivate: isPrivate, team: team)
        for visit in visits { try follower.follow(visit) }
        let result = result(follower.courses)
        try draw(follower.courses)
        if json { return try printJSON(result) }
        print("\(result.visits) visits, \(result.bytes) bytes of dialogue; one pass\(isPrivate ? ", each visit for itself" : "")")
        print(row("bits per byte", ["learning", "no memory", "frozen", "ratio"]))
        let bits = [
            result.bitsPerByte, result.bitsPerByteWithoutMemory, result.frozenBitsPerByte,
            result.bitsPerByte / max(1e-9, result.frozenBitsPerByte),
        ]
        print(row("", bits.map { String(format: "%.4f", $0) }))
        print(row("bits a name", ["learning", "frozen", "said"]))
        func cells(_ learned: Double, _ frozen: Double, _ count: Int) -> [String] {
            [learned, frozen].map { String(format: "%.2f", $0) } + ["\(count)"]
        }
        print(row("said first in a visit", cells(result.firstNameBits, result.frozenFirstNameBits, result.firstNames)))
        print(row("said again", cells(result.laterNameBits, result.frozenLaterNameBits, result.laterNames)))
        print(cost.line)
    }

    private func result(_ courses: [VisitFollower.Course]) -> Result {
        let bytes = courses.reduce(0) { $0 + $1.bytes }
        func perByte(_ bits: (VisitFollower.Course) -> Double) -> Double { courses.reduce(0) { $0 + bits($1) } / Double(max(1, bytes)) }
        func names(_ names: (VisitFollower.Course) -> VisitFollower.Names) -> (learned: Double, frozen: Double, count: Int) {
            let all = courses.map(names), count = all.reduce(0) { $0 + $1.count }, share = 1 / Double(max(1, count))
            return (share * all.reduce(0) { $0 + $1.learned }, share * all.reduce(0) { $0 + $1.frozen }, count)
        }
        let first = names { $0.firstNames }, later = names { $0.laterNames }
        return Result(
            bitsPerByte: perByte { $0.learned }, bitsPerByteWithoutMemory: perByte { $0.withoutMemory },
            frozenBitsPerByte: perByte { $0.frozen },
            firstNameBits: first.learned, frozenFirstNameBits: first.frozen, laterNameBits: later.learned,
            frozenLaterNameBits: later.frozen,
            firstNames: first.count, laterNames: later.count, visits: courses.count, bytes: bytes, isPrivate: isPrivate)
    }

    private func draw(_ courses: [VisitFollower.Course]) throws {
        let parts = StreamPlot.parts(of: courses)
        func bits(_ name: String, _ bits: (VisitFollower.Course) -> Double) -> LinePlot.Curve {
            StreamPlot.curve(
                name, parts.map { part in part.reduce(0) { $0 + bits($1) } / Double(max(1, part.reduce(0) { $0 + $1.bytes })) })
        }
        try plot.write(
            "visits", up: "bits per byte",
            [bits("learning") { $0.learned }, bits("without memory") { $0.withoutMemory }, bits("frozen") { $0.frozen }])
    }
}
