import Applications
import ArgumentParser
import Foundation

/// Forecasts of a camera's pose, learned as poses come.
struct PoseBench: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "arkit",
        abstract: "Forecasts a camera's pose 0.1, 0.5 and 1 s ahead, learning as poses come.",
        discussion: """
            Reads a line a pose: nanoseconds and a 3 x 4 matrix, row by row, in metres, the y axis pointing up. A forecast's truth is
            learned when its time has come. Figures are of forecasts made from the tenth second on (of all, if there are no more), beside
            constant velocity, taken over a twentieth of a second.

            Example:
              accrete-bench application arkit --data ../shared/data/arkit/pose.txt
            """
    )

    @Option(help: ArgumentHelp("Poses.", valueName: "file"))
    var data: String

    @OptionGroup var plot: StreamPlot

    @Flag(help: "Print one JSON object and nothing else.")
    var json = false

    private static let horizons: KeyValuePairs = ["0.1": 0.1, "0.5": 0.5, "1": 1.0]

    private struct Result: Encodable {
        var positionCentimetres: [String: Double] = [:], constantVelocityCentimetres: [String: Double] = [:]
        var rotationDegrees: [String: Double] = [:], constantVelocityDegrees: [String: Double] = [:]
        /// The largest ratio to constant velocity's distance in any ten seconds.
        var worstTenSeconds: [String: Double] = [:]
    }

    func run() throws {
        let cost = RunCost()
        let poses = try CameraPose.read(path: data)
        var result = Result()
        var curves: [(position: LinePlot.Curve, rotation: LinePlot.Curve)] = []
        var lines = [row("seconds ahead", ["cm", "constant", "ratio", "degrees", "constant", "ratio", "worst 10 s"])]
        for (name, horizon) in Self.horizons {
            let scores = PoseScores(poses, horizon: horizon), part = scores.afterTheFirst
            guard part.count > 0 else {
                throw ApplicationFailure("\(data) has no pose \(name) s after another, so nothing can be compared.")
            }
            let worst = scores.parts.filter { $0.constantCentimetres > 0 }.map { $0.centimetres / $0.constantCentimetres }.max() ?? 0
            result.positionCentimetres[name] = part.centimetres
            result.constantVelocityCentimetres[name] = part.constantCentimetres
            result.rotationDegrees[name] = part.degrees
            result.constantVelocityDegrees[name] = part.constantDegrees
            result.worstTenSeconds[name] = worst
            let numbers = [
                part.centimetres, part.constantCentimetres, part.centimetres / max(1e-9, part.constantCentimetres), part.degrees,
                part.constantDegrees, part.degrees / max(1e-9, part.constantDegrees), worst,
            ]
            curves.append(Self.curves("\(name) s ahead", scores))
            lines.append(row(name, numbers.map { String(format: "%.2f", $0) }))
        }
        try plot.write([Self.chart("position", curves.map { $0.position }), Self.chart("rotation", curves.map { $0.rotation })])
        if json { return try printJSON(result) }
        print("\(poses.count) poses in \(String(format: "%.1f", poses[poses.count - 1].time)) s; figures from the tenth second on")
        for line in lines { print(line) }
        print(cost.line)
    }

    /// Errors in parts of constant velocity's, for each ten seconds.
    private static func curves(_ name: String, _ scores: PoseScores) -> (position: LinePlot.Curve, rotation: LinePlot.Curve) {
        func curve(_ ratio: (PoseScores.Part) -> Double) -> LinePlot.Curve {
            LinePlot.Curve(
                name: name,
                points: scores.parts.prefix(StreamPlot.parts).enumerated().map { (Double($0 + 1) * PoseScores.partSeconds, ratio($1)) })
        }
        return (
            curve { $0.centimetres / max(1e-9, $0.constantCentimetres) }, curve { $0.degrees / max(1e-9, $0.constantDegrees) }
        )
    }

    private static func chart(_ title: String, _ curves: [LinePlot.Curve]) -> LinePlot {
        LinePlot(title: title, across: "seconds", up: "error / constant velocity's", curves: curves, range: StreamPlot.range(curves))
    }
}
