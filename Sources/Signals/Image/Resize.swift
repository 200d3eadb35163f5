import Foundation

/// Bilinear resizing that widens its triangle when it shrinks, so that every source pixel counts:
///
///     w(i, j) = max(0, 1 − |(i + ½)·s − (j + ½)| / max(1, s)), normalised over j;   s = source / target
///
/// First along rows, then along columns; the picture is stretched to the target.
struct Resize {
    private let across: Taps
    private let down: Taps

    init(from source: (width: Int, height: Int), to target: (width: Int, height: Int)) {
        across = Taps(source: source.width, target: target.width)
        down = Taps(source: source.height, target: target.height)
    }

    /// (height, width, channels) bytes → (target height, target width, channels) of 0…255.
    func callAsFunction(_ pixels: Pixels) -> [Float] {
        let channels = pixels.channels
        let line = across.target * channels
        var narrowed = [Float](repeating: 0, count: pixels.height * line)
        for y in 0..<pixels.height {
            for x in 0..<across.target {
                for (weight, j) in zip(across.weights[x], across.starts[x]...) {
                    for c in 0..<channels {
                        narrowed[y * line + x * channels + c] += weight * Float(pixels.bytes[(y * pixels.width + j) * channels + c])
                    }
                }
            }
        }
        var result = [Float](repeating: 0, count: down.target * line)
        for y in 0..<down.target {
            for (weight, j) in zip(down.weights[y], down.starts[y]...) {
                for x in 0..<line { result[y * line + x] += weight * narrowed[j * line + x] }
            }
        }
        return result
    }

    /// For every target index, the first source index that counts and the weights from there on.
    private struct Taps {
        let target: Int
        private(set) var starts: [Int] = []
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
                weights.append(triangle.map { Float($0 / sum) })
            }
        }
    }
}
