import Foundation
import Schema

/// An explanation as a picture, in SVG: a heat map over the camera's picture, the frames of the sound as bars, the words with shades.
/// Orange speaks for the answer, blue against it; the strongest shade is the greatest contribution of all parts. It reads on light and on
/// dark pages.
public struct ExplanationPicture: Sendable {
    /// The camera's picture as it is embedded.
    public struct Photo: Sendable {
        /// `image/png` or `image/jpeg`.
        public var format: String
        public var bytes: [UInt8]

        public init(format: String, bytes: [UInt8]) { (self.format, self.bytes) = (format, bytes) }
    }

    /// The explanation, with the contributions of parts.
    public var explanation: MomentExplanation
    /// Drawn below the heat map; nil, or one that is too large: the heat map alone.
    public var photo: Photo?

    public init(_ explanation: MomentExplanation, photo: Photo? = nil) { (self.explanation, self.photo) = (explanation, photo) }

    /// The greatest size of an embedded picture, in bytes.
    public static let mostPhotoBytes = 2 << 20
    /// The most parts of a modality that are drawn.
    private static let mostParts = 1_024
    private static let width = 640.0, side = 320.0, margin = 20.0

    /// The document.
    public var svg: String {
        let greatest = Double(explanation.parts.values.flatMap(\.nats).map { abs($0) }.filter(\.isFinite).max() ?? 0)
        let probability = Int(explanation.label) < explanation.probabilities.count ? explanation.probabilities[Int(explanation.label)] : 0
        var body = "", y = 44.0
        body += text(
            Self.margin, 28,
            "\(explanation.moment.printable(atMost: 48)): class \(explanation.label), probability "
                + String(format: "%.1f %%", 100 * probability), "title")
        let names = explanation.parts.keys.sorted { (order($0), $0) < (order($1), $1) }
        for name in names {
            guard let part = explanation.parts[name], !part.nats.isEmpty else { continue }
            let nats = part.nats.prefix(Self.mostParts).map { $0.isFinite ? Double($0) : 0 }
            body += text(Self.margin, y + 16, name.printable(atMost: 48) + String(format: ", in all %+.2f nats", nats.reduce(0, +)), "")
            y += 28
            let figure: (drawn: String, height: Double)
            if !part.words.isEmpty {
                figure = words(part.words, nats, greatest, at: y)
            } else if name == "image", let grid = Self.grid(nats.count) {
                figure = heatMap(nats, grid, greatest, at: y)
            } else {
                figure = bars(nats, greatest, at: y)
            }
            body += figure.drawn
            y += figure.height + 16
        }
        let note = String(format: "orange: for the answer, blue: against it; the strongest is %.2f nats", greatest)
        body += text(Self.margin, y + 14, names.isEmpty ? "no part of this moment is explained" : note, "small")
        let height = Int(y + 32)
        return """
            <svg xmlns="http://www.w3.org/2000/svg" width="\(Int(Self.width))" height="\(height)" viewBox="0 0 \(Int(Self.width)) \(height)">
            <style>
            text { font: 14px sans-serif; fill: #222222; } .title { font-size: 17px; font-weight: bold; } .small { font-size: 12px; }
            .page { fill: #ffffff; } .line { stroke: #888888; } .for { fill: #e66100; } .against { fill: #1a73e8; }
            @media (prefers-color-scheme: dark) { text { fill: #eeeeee; } .page { fill: #1c1c1e; } .line { stroke: #999999; } }
            </style>
            <rect class="page" width="100%" height="100%"/>
            \(body)</svg>

            """
    }

    /// Pictures first, then sounds and other senses, then words.
    private func order(_ name: String) -> Int { name == "image" ? 0 : explanation.parts[name]?.words.isEmpty == false ? 2 : 1 }

    /// The side of a square grid of parts; nil if they are no square.
    public static func grid(_ count: Int) -> Int? {
        let side = Int(Double(count).squareRoot().rounded())
        return side > 1 && side * side == count ? side : nil
    }

    private func heatMap(_ nats: [Double], _ grid: Int, _ greatest: Double, at y: Double) -> (String, Double) {
        var drawn = #"<rect x="\#(Self.margin)" y="\#(y)" width="\#(Self.side)" height="\#(Self.side)" fill="gray"/>"# + "\n"
        if let photo, photo.bytes.count <= Self.mostPhotoBytes, ["image/png", "image/jpeg"].contains(photo.format) {
            drawn += #"<image x="\#(Self.margin)" y="\#(y)" width="\#(Self.side)" height="\#(Self.side)" preserveAspectRatio="none" "#
            drawn += #"href="data:\#(photo.format);base64,\#(Data(photo.bytes).base64EncodedString())"/>"# + "\n"
        }
        let cell = Self.side / Double(grid)
        for (index, nat) in nats.enumerated() {
            drawn += shade(
                Self.margin + Double(index % grid) * cell, y + Double(index / grid) * cell, cell, cell, nat, greatest,
                "patch \(index): row \(index / grid + 1), column \(index % grid + 1)", strongest: 0.7)
        }
        return (drawn, Self.side)
    }

    private func bars(_ nats: [Double], _ greatest: Double, at y: Double) -> (String, Double) {
        let width = Self.width - 2 * Self.margin, half = 50.0, step = width / Double(nats.count)
        var drawn = #"<line class="line" x1="\#(Self.margin)" y1="\#(y + half)" x2="\#(Self.margin + width)" y2="\#(y + half)"/>"# + "\n"
        for (index, nat) in nats.enumerated() {
            let height = greatest > 0 ? half * abs(nat) / greatest : 0
            drawn += rectangle(
                Self.margin + Double(index) * step, nat > 0 ? y + half - height : y + half, max(1, min(40, step - 2)), height, nat, 1,
                "part \(index)")
        }
        return (drawn, 2 * half)
    }

    /// Words at the width of a fixed font, broken into lines.
    private func words(_ words: [String], _ nats: [Double], _ greatest: Double, at y: Double) -> (String, Double) {
        var drawn = "", x = Self.margin, line = y
        for (word, nat) in zip(words, nats) {
            let shown = word.printable(atMost: 40), width = Double(shown.count) * 8.5 + 12
            if x + width > Self.width - Self.margin, x > Self.margin { (x, line) = (Self.margin, line + 30) }
            drawn += shade(x, line, width, 26, nat, greatest, shown, strongest: 0.6)
            drawn += #"<text x="\#(x + 6)" y="\#(line + 18)" font-family="monospace">\#(Self.escaped(shown))</text>"# + "\n"
            x += width + 4
        }
        return (drawn, line + 26 - y)
    }

    private func shade(
        _ x: Double, _ y: Double, _ width: Double, _ height: Double, _ nat: Double, _ greatest: Double, _ name: String, strongest: Double
    ) -> String {
        rectangle(x, y, width, height, nat, greatest > 0 ? strongest * abs(nat) / greatest : 0, name)
    }

    private func rectangle(
        _ x: Double, _ y: Double, _ width: Double, _ height: Double, _ nat: Double, _ opacity: Double, _ name: String
    ) -> String {
        let place = String(format: #"x="%.1f" y="%.1f" width="%.1f" height="%.1f" fill-opacity="%.2f""#, x, y, width, height, opacity)
        let title = String(format: "%@: %+.3f nats", Self.escaped(name), nat)
        return #"<rect class="\#(nat > 0 ? "for" : "against")" \#(place)><title>\#(title)</title></rect>"# + "\n"
    }

    private func text(_ x: Double, _ y: Double, _ text: String, _ style: String) -> String {
        #"<text class="\#(style)" x="\#(x)" y="\#(y)">\#(Self.escaped(text))</text>"# + "\n"
    }

    private static func escaped(_ text: String) -> String {
        text.replacingOccurrences(of: "&", with: "&amp;").replacingOccurrences(of: "<", with: "&lt;")
            .replacingOccurrences(of: ">", with: "&gt;").replacingOccurrences(of: "\"", with: "&quot;")
    }
}
