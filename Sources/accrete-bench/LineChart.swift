import Foundation

/// A few lines over one axis, as SVG: enough to see how learning goes.
struct LineChart {
    let title: String
    let across: String
    let lines: [(name: String, points: [(x: Double, y: Double)])]

    private static let width = 640.0, height = 320.0, left = 60.0, bottom = 40.0, top = 30.0, right = 110.0
    private static let colours = ["#1b6ca8", "#c8553d", "#3a7d44", "#7d5ba6", "#b8860b", "#444444"]

    var svg: String {
        let points = lines.flatMap(\.points)
        let xs = points.map(\.x), ys = points.map(\.y)
        let (x0, x1) = (xs.min() ?? 0, max(xs.max() ?? 1, (xs.min() ?? 0) + 1e-9)), (y0, y1) = (min(0, ys.min() ?? 0), max(0, ys.max() ?? 1))
        func place(_ x: Double, _ y: Double) -> (Double, Double) {
            (Self.left + (x - x0) / (x1 - x0) * (Self.width - Self.left - Self.right),
             Self.height - Self.bottom - (y - y0) / max(1e-9, y1 - y0) * (Self.height - Self.bottom - Self.top))
        }
        func text(_ x: Double, _ y: Double, _ words: String, _ anchor: String) -> String {
            String(format: "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%@\">%@</text>", x, y, anchor, words)
        }
        var parts = ["<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 640 320\" font-family=\"sans-serif\" font-size=\"12\">",
                     "<rect width=\"640\" height=\"320\" fill=\"white\"/>", text(Self.left, 18, title, "start")]
        for step in 0...4 {
            let y = y0 + (y1 - y0) * Double(step) / 4, x = x0 + (x1 - x0) * Double(step) / 4
            let (left, height) = place(x0, y), (right, _) = place(x1, y), (across, _) = place(x, y0)
            parts.append(String(format: "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" stroke=\"#dddddd\"/>", left, height, right, height))
            parts.append(text(left - 6, height + 4, String(format: abs(y1 - y0) > 20 ? "%.0f" : "%.2f", y), "end"))
            parts.append(text(across, Self.height - 22, String(format: "%.0f", x), "middle"))
        }
        parts.append(text(Self.left + (Self.width - Self.left - Self.right) / 2, Self.height - 6, across, "middle"))
        for (index, line) in lines.enumerated() {
            let colour = Self.colours[index % Self.colours.count]
            let path = line.points.map { point in
                let (x, y) = place(point.x, point.y)
                return String(format: "%.1f,%.1f", x, y)
            }.joined(separator: " ")
            parts.append("<polyline fill=\"none\" stroke=\"\(colour)\" stroke-width=\"1.5\" points=\"\(path)\"/>")
            let y = Self.top + 16 * Double(index + 1)
            parts.append("<g fill=\"\(colour)\">" + text(Self.width - Self.right + 8, y, line.name, "start") + "</g>")
        }
        return (parts + ["</svg>"]).joined(separator: "\n") + "\n"
    }
}
