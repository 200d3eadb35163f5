import Foundation

/// A line plot of several curves, as SVG.
struct LinePlot {
    struct Curve {
        var name: String
        var points: [(x: Double, y: Double)]
    }

    var title: String
    /// Names of the axes.
    var across: String, up: String
    var curves: [Curve]
    /// The range of y.
    var range: ClosedRange<Double>

    private static let colours = ["#1f77b4", "#d62728", "#2ca02c", "#9467bd", "#ff7f0e", "#8c564b", "#17becf", "#7f7f7f"]
    static let width = 420.0, height = 300.0
    private static let left = 52.0, right = 120.0, top = 30.0, bottom = 42.0

    /// The plot as a group whose upper left corner is at (x, y).
    func group(x: Double, y: Double) -> String {
        let points = curves.flatMap(\.points)
        let (low, high) = (points.map(\.x).min() ?? 0, points.map(\.x).max() ?? 1)
        func place(_ px: Double, _ py: Double) -> (Double, Double) {
            let u = high > low ? (px - low) / (high - low) : 0, v = (py - range.lowerBound) / (range.upperBound - range.lowerBound)
            return (
                Self.left + u * (Self.width - Self.left - Self.right),
                Self.height - Self.bottom - v * (Self.height - Self.top - Self.bottom)
            )
        }
        var parts = ["<g transform=\"translate(\(x),\(y))\" font-family=\"sans-serif\" font-size=\"11\">"]
        parts.append(text(title, at: (Self.left, 16), "font-weight=\"bold\" font-size=\"12\""))
        for step in 0...5 {
            let value = range.lowerBound + (range.upperBound - range.lowerBound) * Double(step) / 5, (gx, gy) = place(low, value)
            let (end, _) = place(high, value)
            parts.append("<path d=\"M\(gx) \(gy)H\(end)\" stroke=\"#ddd\"/>")
            parts.append(text(String(format: "%g", value), at: (gx - 6, gy + 4), "text-anchor=\"end\""))
        }
        for tick in Set(points.map(\.x)).sorted() {
            parts.append(
                text(
                    String(format: "%g", tick), at: (place(tick, range.lowerBound).0, Self.height - Self.bottom + 15),
                    "text-anchor=\"middle\""))
        }
        parts.append(text(across, at: (place((low + high) / 2, range.lowerBound).0, Self.height - 8), "text-anchor=\"middle\""))
        parts.append(
            "<text transform=\"translate(14,\((Self.height - Self.bottom + Self.top) / 2)) rotate(-90)\" "
                + "text-anchor=\"middle\">\(up)</text>"
        )
        for (index, curve) in curves.enumerated() {
            let colour = Self.colours[index % Self.colours.count]
            let line = curve.points.map { place($0.x, $0.y) }.map { String(format: "%.1f,%.1f", $0.0, $0.1) }.joined(separator: " ")
            parts.append("<polyline points=\"\(line)\" fill=\"none\" stroke=\"\(colour)\" stroke-width=\"2\"/>")
            let row = Self.top + 16 * Double(index)
            parts.append("<path d=\"M\(Self.width - Self.right + 8) \(row)h14\" stroke=\"\(colour)\" stroke-width=\"2\"/>")
            parts.append(text(curve.name, at: (Self.width - Self.right + 26, row + 4), ""))
        }
        return (parts + ["</g>"]).joined(separator: "\n")
    }

    private func text(_ words: String, at place: (Double, Double), _ style: String) -> String {
        let escaped = words.replacingOccurrences(of: "&", with: "&amp;").replacingOccurrences(of: "<", with: "&lt;")
        return "<text x=\"\(String(format: "%.1f", place.0))\" y=\"\(String(format: "%.1f", place.1))\" \(style)>\(escaped)</text>"
    }

    /// Plots side by side, so many in a row.
    static func page(_ plots: [LinePlot], columns: Int) -> String {
        let rows = (plots.count + columns - 1) / columns
        let groups = plots.enumerated().map { $1.group(x: width * Double($0 % columns), y: height * Double($0 / columns)) }
        return "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"\(width * Double(columns))\" height=\"\(height * Double(rows))\">\n"
            + "<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n" + groups.joined(separator: "\n") + "\n</svg>\n"
    }
}
