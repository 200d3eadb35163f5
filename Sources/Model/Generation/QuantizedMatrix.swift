import CVector
import Tensors

/// A matrix of 8-bit integers with a scale for every row: w ≈ scale · q with |q| ≤ 127, rounded to nearest.
/// https://arxiv.org/abs/2208.07339, §2.1
///
/// The vector it multiplies is quantised to 12 bits, so that 4,096 products can be summed in 32 bits.
struct QuantizedMatrix {
    let rows: Int
    let columns: Int
    private let values: Memory<Int8>
    private let scales: Memory<Float>

    static let run = 4_096

    /// w (rows, columns), stored row by row or transposed.
    init(_ w: Matrix<Float>, rows: Int, columns: Int) {
        self.rows = rows
        self.columns = columns
        values = Memory(rows * columns)
        scales = Memory(rows)
        for row in 0..<rows {
            func weight(_ column: Int) -> Float {
                w.isTransposed ? w.pointer[column * w.stride + row] : w.pointer[row * w.stride + column]
            }
            var largest: Float = 0
            for column in 0..<columns { largest = max(largest, abs(weight(column))) }
            scales[row] = largest / 127
            let inverse = largest > 0 ? 127 / largest : 0
            for column in 0..<columns {
                values[row * columns + column] = Int8(max(-127, min(127, (weight(column) * inverse).rounded())))
            }
        }
    }

    /// Decodes rows, one after the other.
    func decode(rows range: Range<Int>, into y: UnsafeMutablePointer<Float>) {
        for row in range {
            let w = values.pointer + row * columns, y = y + (row - range.lowerBound) * columns, scale = scales[row]
            for column in 0..<columns { y[column] = Float(w[column]) * scale }
        }
    }

    /// y[row] += w[row] · x for some rows.
    func multiply(_ x: QuantizedVector, into y: UnsafeMutablePointer<Float>, rows part: Range<Int>) {
        let scales = scales.pointer
        for row in part {
            let w = values.pointer + row * columns
            var sum: Float = 0
            for start in stride(from: 0, to: columns, by: Self.run) {
                let count = min(columns - start, Self.run)
                let dot =
                    hasAVX2 ? CVectorDotAVX2(w + start, x.values + start, count) : CVectorDotBaseline(w + start, x.values + start, count)
                sum += Float(dot)
            }
            y[row] += sum * scales[row] * x.scale
        }
    }
}

/// A vector of 12-bit integers with a scale, in memory that the caller reuses.
struct QuantizedVector {
    private(set) var values: UnsafeMutablePointer<Int16>
    private(set) var scale: Float = 0

    init(memory: UnsafeMutablePointer<Int16>) { values = memory }

    mutating func set(_ x: UnsafePointer<Float>, count: Int) {
        let whole = count / 16 * 16
        var largest = SIMD16<Float>.zero
        for i in stride(from: 0, to: whole, by: 16) {
            let y = SIMD16(load: x + i), size = y.replacing(with: -y, where: y .< 0)
            largest.replace(with: size, where: size .> largest)
        }
        var most = largest.largest
        for i in whole..<count { most = max(most, abs(x[i])) }
        scale = most / 2_047
        let inverse = most > 0 && most.isFinite ? 2_047 / most : 0
        // Adding 1.5·2²³ rounds to an integer and leaves it in the low bits.
        let magic = SIMD16<Float>(repeating: 12_582_912)
        for i in stride(from: 0, to: whole, by: 16) {
            let bits = unsafeBitCast(SIMD16(load: x + i) * inverse + magic, to: SIMD16<Int32>.self)
            UnsafeMutableRawPointer(values + i).storeBytes(of: SIMD16<Int16>(truncatingIfNeeded: bits), as: SIMD16<Int16>.self)
        }
        for i in whole..<count { values[i] = Int16(truncatingIfNeeded: Int32((max(-most, min(most, x[i])) * inverse).rounded())) }
    }
}
