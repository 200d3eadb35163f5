import Foundation

/// Bilinear resizing with antialiasing: when it shrinks, the triangle filter is widened so that every source pixel contributes:
///
///     w(i, j) = max(0, 1 − |(i + ½)·s − (j + ½)| / max(1, s)), normalised over j;   s = source / target
///
/// It is applied along rows, then along columns; the aspect ratio is not kept.
struct Resize {
    private let across: Taps
    private let down: Taps

    init(from source: (width: Int, height: Int), to target: (width: Int, height: Int)) {
        across = Taps(source: source.width, target: target.width)
        down = Taps(source: source.height, target: target.height)
    }

    /// (height, width, channels) samples → (target height, target width, channels) in 0…255. It works row by row, with a buffer of
    /// two rows.
    func callAsFunction(_ pixels: Pixels) -> [Float] {
        let channels = pixels.channels
        let line = across.target * channels
        var row = [Float](repeating: 0, count: pixels.width * channels)
        var narrowed = [Float](repeating: 0, count: line)
        var result = [Float](repeating: 0, count: down.target * line)
        var first = 0  // the first target row to which this source row or a later one contributes
        for y in 0..<pixels.height {
            read(y, of: pixels, into: &row)
            narrow(row, channels: channels, into: &narrowed)
            while first < down.target, down.ends[first] <= y { first += 1 }
            var target = first
            while target < down.target, down.starts[target] <= y {
                let weight = down.weights[target][y - down.starts[target]]
                for x in 0..<line { result[target * line + x] += weight * narrowed[x] }
                target += 1
            }
        }
        return result
    }

    private func read(_ y: Int, of pixels: Pixels, into row: inout [Float]) {
        let start = y * row.count
        if pixels.words.isEmpty {
            for x in 0..<row.count { row[x] = Float(pixels.bytes[start + x]) }
        } else {
            for x in 0..<row.count { row[x] = Float(pixels.words[start + x]) / 257 }
        }
    }

    private func narrow(_ row: [Float], channels: Int, into narrowed: inout [Float]) {
        row.withUnsafeBufferPointer { row in
            for x in 0..<across.target {
                for c in 0..<channels {
                    var sum: Float = 0
                    var place = across.starts[x] * channels + c
                    for weight in across.weights[x] {
                        sum += weight * row[place]
                        place += channels
                    }
                    narrowed[x * channels + c] = sum
                }
            }
        }
    }

    /// For every target index, the contributing source indices, `starts` ..< `ends`, and their weights.
    private struct Taps {
        let target: Int
        private(set) var starts: [Int] = []
        private(set) var ends: [Int] = []
        private(set) var weights: [[Float]] = []

        init(source: Int, target: Int) {
            self.target = target
            let scale = Double(source) / Double(target)
            let support = max(1, scale)
            for i in 0..<target {
                let centre = (Double(i) + 0.5) * scale
                let first = max(0, Int((centre - support).rounded(.down)))
                let last = min(source - 1, Int((centre + support).rounded(.up)))
                let triangle = (first...last).map { max(0, 1 - abs(centre - Double($0) - 0.5) / support) }
                let sum = triangle.reduce(0, +)
                starts.append(first)
                ends.append(last + 1)
                weights.append(triangle.map { Float($0 / sum) })
            }
        }
    }
}
