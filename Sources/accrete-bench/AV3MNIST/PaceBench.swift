import Applications
import ArgumentParser
import Evaluation
import Foundation
import Learning
import Model

/// A stream that does not wait: what a learner is too slow for it does not learn from.
struct PaceBench: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pace",
        abstract: "Accuracy of strategies against the rate of a stream that does not wait for them.",
        discussion: """
            The stream of av3mnist arrives at a rate of its own. Every moment is predicted with the newest parameters that are ready; it is
            learned if the learner is free when it arrives, and passed over otherwise. The clock is virtual: what learning a moment costs is
            measured first, as the median of steps on this machine, or given by --cost; with given costs a run is repeated to the bit.
            Beside the strategies: one softmax regression on all inputs.

            Examples:
              accrete-bench pace --data ../shared/data/av3mnist --plot pace.svg
              accrete-bench pace --data ../shared/data/av3mnist --rates 30 300 --strategy er --cost er=9.5
            """)

    @Option(help: ArgumentHelp("The directory with manifest.csv, images-idx3-ubyte and audio/.", valueName: "dir"))
    var data: String

    @Option(parsing: .upToNextOption, help: "Moments a second.")
    var rates: [Double] = [10, 30, 100, 300]

    @Option(help: ArgumentHelp("A strategy, NAME or NAME/OPTIMISER; repeat for several.", valueName: "name"))
    var strategy: [String] = []

    @Option(help: ArgumentHelp("What learning a moment takes, in milliseconds; repeat for several.", valueName: "name=ms"))
    var cost: [String] = []

    @Option(help: "Initialisations, numbered from 1.")
    var seeds = 1

    @Option(help: ArgumentHelp("Write the curves as SVG.", valueName: "file"))
    var plot: String?

    @Flag(help: "Print one JSON object and nothing else.")
    var json = false

    private static let baseline = "softmax"
    private static let usual = ["never", "always", "er", "der++", "er-ace", "mir", "lwf", "er/sgd", "er/lamb"]

    private struct Result: Encodable {
        let name: String
        let milliseconds: Double
        /// By rate: the percentage that is right over the stream, and the share of moments that were learned.
        var accuracy: [Double] = []
        var learned: [Double] = []
    }

    func validate() throws {
        guard rates.allSatisfy({ $0 > 0 && $0 <= 1e6 }), !rates.isEmpty else {
            throw ValidationError("--rates should be above 0 and at most 1,000,000.")
        }
        guard (1...100).contains(seeds) else { throw ValidationError("--seeds should be 1…100.") }
        _ = try given()
    }

    func run() throws {
        let moments = try AV3MNISTData(directory: data).moments(), given = try given()
        if !json { print(row("", ["ms a moment"] + rates.map { String(format: "%g/s", $0) })) }
        var results: [Result] = []
        for name in (strategy.isEmpty ? Self.usual : strategy) + [Self.baseline] {
            let seconds = try given[name] ?? measuredCost(name, moments)
            var result = Result(name: name, milliseconds: 1000 * seconds)
            for rate in rates {
                let stream = PacedStream(rate: rate, cost: seconds)
                let passes = try (1...seeds).map { seed in
                    let learner = try learner(name, seed: UInt64(seed))
                    return try stream.run(
                        over: moments, isPredicted: { learner.predict($0) == $0.label }, learn: learner.learn, publish: learner.publish)
                }
                let right = passes.reduce(0) { $0 + $1.right.count { $0 } }, learned = passes.reduce(0) { $0 + $1.learned }
                let count = Double(max(1, seeds * moments.count))
                result.accuracy.append(100 * Double(right) / count)
                result.learned.append(Double(learned) / count)
            }
            results.append(result)
            if !json { print(line(result)) }
        }
        try draw(results)
        if json { try printJSON(results) }
    }

    /// Costs in seconds by name, as given.
    private func given() throws -> [String: Double] {
        try cost.reduce(into: [:]) { costs, text in
            let parts = text.split(separator: "=")
            guard parts.count == 2, let milliseconds = Double(parts[1]), milliseconds >= 0, milliseconds <= 1e6 else {
                throw ValidationError("--cost \(text) is not name=milliseconds.")
            }
            costs[String(parts[0])] = milliseconds / 1000
        }
    }

    /// The number of first moments that are learned to measure a cost, by a learner of their own; those before the second half warm up.
    private static let measured = 128

    private func measuredCost(_ name: String, _ moments: [MomentInput]) throws -> Double {
        let learner = try learner(name, seed: 1)
        var seconds: [Double] = []
        for moment in moments.prefix(Self.measured) {
            let start = ContinuousClock.now
            try learner.learn(moment)
            seconds.append(start.duration(to: .now) / .seconds(1))
        }
        return seconds.suffix(Self.measured / 2).sorted()[Self.measured / 4]
    }

    private func learner(_ name: String, seed: UInt64) throws -> any PacedLearner {
        if name == Self.baseline { return PacedSoftmax() }
        let parts = name.split(separator: "/").map(String.init)
        var configuration = OnlineLearner.Configuration()
        configuration.strategy = parts.first ?? ""
        if parts.count > 1 { configuration.optimizer = parts[1] }
        return try PacedStrategy(configuration, seed: seed)
    }

    private func line(_ result: Result) -> String {
        row(
            result.name,
            [String(format: "%.2f", result.milliseconds)]
                + zip(result.accuracy, result.learned).map { String(format: "%.1f (%.0f)", $0, 100 * $1) })
    }

    private func draw(_ results: [Result]) throws {
        guard let plot else { return }
        let curves = results.map { result in
            LinePlot.Curve(name: result.name, points: zip(rates, result.accuracy).map { (log10($0), $1) })
        }
        let page = LinePlot.page(
            [LinePlot(title: "right over the stream, %", across: "log10 of moments a second", up: "%", curves: curves, range: 0...100)],
            columns: 1)
        do { try page.write(toFile: plot, atomically: true, encoding: .utf8) } catch {
            throw ApplicationFailure("The plot cannot be written to \(plot).")
        }
    }
}
