import Foundation
import Schema
import Statistics

/// A plot, in SVG, of the loss over a stream of the model and of the frozen baseline, with marks at updates, drifts and decisions of the
/// gate.
public struct StreamPlot: Sendable {
    /// The mean losses over the moments since the preceding point, in nats per label; nil without labels. A loss that is not finite is not
    /// drawn.
    public struct Point: Sendable, Equatable {
        public var ordinal: UInt64
        public var model: Double?
        public var frozen: Double?
    }

    public struct Mark: Sendable, Equatable {
        public enum Kind: String, Sendable, CaseIterable {
            case domain, fired, refused, rolledBack = "rolled back", update
        }

        public var ordinal: UInt64
        public var kind: Kind
        public var label: String
    }

    public var title: String
    public var points: [Point]
    public var marks: [Mark]

    public init(title: String, points: [Point], marks: [Mark]) {
        (self.title, self.points, self.marks) = (title, points, marks)
    }

    private static let (width, height, left, bottom, top) = (960.0, 400.0, 60.0, 60.0, 40.0)
    private static let colours: [Mark.Kind: String] = [
        .domain: "#888888", .fired: "#d62728", .refused: "#ff9f0e", .rolledBack: "#9467bd", .update: "#2ca02c",
    ]

    /// The plot as an SVG document.
    public var svg: String {
        let last = Double(max(1, points.last?.ordinal ?? 1))
        let losses = points.flatMap { [$0.model, $0.frozen] }.compactMap { $0 }.filter(\.isFinite)
        let highest = max(0.1, losses.max() ?? 1)
        func x(_ ordinal: UInt64) -> Double { Self.left + (Self.width - Self.left - 20) * Double(ordinal) / last }
        func y(_ loss: Double) -> Double {
            Self.height - Self.bottom - (Self.height - Self.bottom - Self.top) * min(loss, highest) / highest
        }
        func coordinates(_ loss: KeyPath<Point, Double?>) -> [(Double, Double)] {
            points.compactMap { point in point[keyPath: loss].flatMap { $0.isFinite ? (x(point.ordinal), y($0)) : nil } }
        }
        var body = ""
        for mark in marks where mark.kind == .update {
            body += line(x(mark.ordinal), Self.height - Self.bottom, Self.height - Self.bottom + 5, mark)
        }
        for mark in marks where mark.kind != .update {
            let isHigh = mark.kind != .refused
            body += line(x(mark.ordinal), isHigh ? Self.top : Self.height - Self.bottom - 12, Self.height - Self.bottom, mark)
        }
        body += curve(coordinates(\.frozen), "#bbbbbb", "frozen baseline")
        body += curve(coordinates(\.model), "#1f77b4", "model")
        body += axes(last, highest, x, y) + legend
        return """
            <svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 \(Int(Self.width)) \(Int(Self.height))" \
            font-family="sans-serif" font-size="12">
            <rect width="100%" height="100%" fill="white"/>
            <text x="\(Self.left)" y="22" font-size="14">\(escaped(title))</text>
            \(body)</svg>

            """
    }

    private func line(_ x: Double, _ from: Double, _ to: Double, _ mark: Mark) -> String {
        "<line x1=\"\(fixed(x))\" x2=\"\(fixed(x))\" y1=\"\(fixed(from))\" y2=\"\(fixed(to))\""
            + " stroke=\"\(Self.colours[mark.kind] ?? "black")\""
            + (mark.kind == .domain ? " stroke-dasharray=\"4 3\"" : "") + "><title>\(escaped(mark.label))</title></line>\n"
    }

    private func curve(_ coordinates: [(Double, Double)], _ colour: String, _ name: String) -> String {
        let text = coordinates.map { "\(fixed($0.0)),\(fixed($0.1))" }.joined(separator: " ")
        return "<polyline fill=\"none\" stroke=\"\(colour)\" stroke-width=\"1.2\" points=\"\(text)\"><title>\(name)</title></polyline>\n"
    }

    private func axes(_ last: Double, _ highest: Double, _ x: (UInt64) -> Double, _ y: (Double) -> Double) -> String {
        let base = Self.height - Self.bottom
        var text = "<path d=\"M\(Self.left) \(Self.top)V\(base)H\(Self.width - 20)\" fill=\"none\" stroke=\"black\"/>\n"
        for share in [0.0, 0.25, 0.5, 0.75, 1.0] {
            let loss = String(format: "%.2g", highest * share), ordinal = UInt64(clamping: last * share)
            text += "<text x=\"\(Self.left - 8)\" y=\"\(fixed(y(highest * share) + 4))\" text-anchor=\"end\">\(loss)</text>\n"
            text += "<text x=\"\(fixed(x(ordinal)))\" y=\"\(base + 20)\" text-anchor=\"middle\">\(ordinal)</text>\n"
        }
        return text + "<text x=\"\(Self.width / 2)\" y=\"\(base + 36)\" text-anchor=\"middle\">moments</text>\n"
            + "<text x=\"14\" y=\"\(Self.height / 2)\" transform=\"rotate(-90 14 \(Self.height / 2))\" "
            + "text-anchor=\"middle\">nats per label</text>\n"
    }

    private var legend: String {
        var entries: [(String, String)] = [("model", "#1f77b4"), ("frozen baseline", "#bbbbbb")]
        for kind in Mark.Kind.allCases where marks.contains(where: { $0.kind == kind }) {
            entries.append((kind.rawValue, Self.colours[kind] ?? "black"))
        }
        return entries.enumerated().map { index, entry in
            "<text x=\"\(Self.left + 110 * Double(index))\" y=\"\(Self.height - 8)\" fill=\"\(entry.1)\">\(entry.0)</text>\n"
        }.joined()
    }

    private func fixed(_ value: Double) -> String { String(format: "%.1f", value) }

    private func escaped(_ text: String) -> String {
        text.printable().replacingOccurrences(of: "&", with: "&amp;").replacingOccurrences(of: "<", with: "&lt;").replacingOccurrences(
            of: "\"", with: "&quot;")
    }
}
