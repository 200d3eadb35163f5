import ArgumentParser
import Foundation

/// A plot of a run over its stream, as SVG.
struct StreamPlot: ParsableArguments {
    @Option(name: .customLong("plot"), help: ArgumentHelp("Write a plot of the run over its stream as SVG.", valueName: "file"))
    var path: String?

    /// The number of parts of a stream of which a curve shows one figure each.
    static let parts = 10

    /// The parts of a stream, the longer ones last.
    static func parts<Element>(of stream: [Element]) -> [ArraySlice<Element>] {
        (0..<parts).map { stream[stream.count * $0 / parts..<stream.count * ($0 + 1) / parts] }.filter { !$0.isEmpty }
    }

    /// A curve of one figure for each part, at the end of the part.
    static func curve(_ name: String, _ figures: [Double]) -> LinePlot.Curve {
        let width = 100 / Double(max(1, figures.count))
        return LinePlot.Curve(name: name, points: figures.enumerated().map { ((Double($0 + 1) * width).rounded(), $1) })
    }

    /// The percentage of outcomes that are right, in each part.
    static func shares(_ name: String, _ right: [Bool]) -> LinePlot.Curve {
        curve(name, parts(of: right).map { part in 100 * Double(part.count { $0 }) / Double(part.count) })
    }

    /// Writes curves over the stream, if a file is given.
    func write(_ title: String, up: String, _ curves: [LinePlot.Curve]) throws {
        try write([LinePlot(title: title, across: "stream, %", up: up, curves: curves, range: Self.range(curves))])
    }

    /// Writes plots side by side, if a file is given.
    func write(_ plots: [LinePlot]) throws {
        guard let path else { return }
        do {
            try LinePlot.page(plots, columns: 3).write(toFile: path, atomically: true, encoding: .utf8)
        } catch {
            throw ApplicationFailure("The plot cannot be written to \(path).")
        }
    }

    /// A range of five round steps that holds all points.
    static func range(_ curves: [LinePlot.Curve]) -> ClosedRange<Double> {
        let heights = curves.flatMap(\.points).map(\.y).filter(\.isFinite)
        let low = heights.min() ?? 0, high = heights.max() ?? 1, span = max(1e-6, high - low)
        let magnitude = pow(10, floor(log10(span / 5)))
        for step in [1, 2, 5, 10, 20].map({ $0 * magnitude }) {
            let start = floor(low / step) * step
            if start + 5 * step >= high { return start...start + 5 * step }
        }
        return low...low + span
    }
}
