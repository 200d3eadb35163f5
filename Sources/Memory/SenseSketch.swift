import Foundation

/// What a sense perceived, in short: the mean and the standard deviation of every feature over its rows, as a vector of length 1.
///
/// Where something lies in a picture, or when it comes in a sound, is not part of it. Of one row it is the row itself.
/// Source of pooling statistics: Snyder et al., X-Vectors, 2018, https://www.danielpovey.com/files/2018_icassp_xvectors.pdf
public struct SenseSketch: Sendable, Equatable {
    public let numbers: [Float]

    /// The most columns that are described.
    public static let mostColumns = 8_192
    /// The most rows that are pooled; of more, evenly spaced ones are.
    private static let mostRows = 4_096

    /// - Parameter values: (rows, columns).
    /// - Returns: nil where there is nothing to describe: no numbers, too many columns, or all of them 0 or not finite.
    public init?(rows: Int, columns: Int, values: [Float]) {
        guard rows > 0, (1...Self.mostColumns).contains(columns), values.count == rows.multipliedReportingOverflow(by: columns).partialValue
        else { return nil }
        let step = max(1, rows / Self.mostRows), taken = (rows + step - 1) / step
        var mean = [Float](repeating: 0, count: columns), square = mean
        values.withUnsafeBufferPointer { values in
            for row in stride(from: 0, to: rows, by: step) {
                for column in 0..<columns { mean[column] += values[row * columns + column] }
            }
            for column in 0..<columns { mean[column] /= Float(taken) }
            for row in stride(from: 0, to: rows, by: step) where rows > 1 {
                for column in 0..<columns {
                    let deviation = values[row * columns + column] - mean[column]
                    square[column] += deviation * deviation
                }
            }
        }
        self.init(rows == 1 ? mean : mean + square.map { ($0 / Float(taken)).squareRoot() })
    }

    /// - Returns: nil where the numbers have no direction.
    init?(_ numbers: [Float]) {
        let length = numbers.reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot()
        guard length.isFinite, length > 1e-12 else { return nil }
        self.numbers = numbers.map { Float(Double($0) / length) }
    }

    /// The cosine of the angle between both, −1…1; nil where they are of different widths.
    func similarity(to other: SenseSketch) -> Double? {
        let count = numbers.count
        guard other.numbers.count == count else { return nil }
        return numbers.withUnsafeBufferPointer { x in
            other.numbers.withUnsafeBufferPointer { y in
                var sums = SIMD8<Float>.zero
                var i = 0
                while i + 8 <= count {
                    var a = SIMD8<Float>.zero, b = SIMD8<Float>.zero
                    for lane in 0..<8 { (a[lane], b[lane]) = (x[i + lane], y[i + lane]) }
                    sums.addProduct(a, b)
                    i += 8
                }
                var sum = sums.sum()
                while i < count {
                    sum += x[i] * y[i]
                    i += 1
                }
                return Double(min(1, max(-1, sum)))
            }
        }
    }
}
