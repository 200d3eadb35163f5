import GGUF
import Tensors

/// A matrix in blocks of 32 eight-bit numbers with a scale in half precision, the format Q8_0 of GGUF files.
public struct EightBitMatrix: FrozenMatrix {
    public let rows: Int
    public let columns: Int
    private let memory: Memory

    /// The bytes of all rows, freed when the last copy of the matrix is released. Sendable: nothing writes to them after `init`.
    private final class Memory: @unchecked Sendable {
        let bytes: UnsafeMutableRawBufferPointer

        init(count: Int) { bytes = .allocate(byteCount: count, alignment: 64) }

        deinit { bytes.deallocate() }
    }

    /// Quantises a matrix.
    ///
    /// - Parameters:
    ///   - numbers: finite ones, row by row.
    ///   - shape: two sizes.
    ///   - transposed: whether the numbers are those of the transposed matrix.
    public init(_ numbers: UnsafeMutableBufferPointer<Float>, shape: [Int], transposed: Bool = false) {
        precondition(shape.count == 2 && numbers.count == shape[0] * shape[1], "\(numbers.count) numbers for shape \(shape)")
        (rows, columns) = transposed ? (shape[1], shape[0]) : (shape[0], shape[1])
        let blocks = Self.blocks(columns)
        memory = Memory(count: rows * blocks * Self.blockBytes)
        var row = [Float](repeating: 0, count: blocks * Self.blockCount)
        for r in 0..<rows {
            for c in 0..<columns { row[c] = transposed ? numbers[c * rows + r] : numbers[r * columns + c] }
            GGUFType.encodeEightBits(row, into: memory.bytes.baseAddress! + r * blocks * Self.blockBytes)
        }
    }

    private static let blockCount = GGUFType.q8_0.blockCount, blockBytes = GGUFType.q8_0.blockBytes
    private static func blocks(_ columns: Int) -> Int { (columns + blockCount - 1) / blockCount }

    public var bytes: Int { memory.bytes.count }

    public func withUnsafeBytes(_ body: (UnsafeRawBufferPointer) -> Void) { body(UnsafeRawBufferPointer(memory.bytes)) }

    public func decode(rows range: Range<Int>, into y: UnsafeMutablePointer<Float>) {
        let rowBytes = Self.blocks(columns) * Self.blockBytes
        for (i, row) in range.enumerated() {
            let start = UnsafeRawPointer(memory.bytes.baseAddress!) + row * rowBytes
            let whole = columns / Self.blockCount * Self.blockCount
            GGUFTensor.decode(start, .q8_0, count: whole, into: y + i * columns)
            guard whole < columns else { continue }
            withUnsafeTemporaryAllocation(of: Float.self, capacity: Self.blockCount) { last in
                GGUFTensor.decode(
                    start + whole / Self.blockCount * Self.blockBytes, .q8_0, count: Self.blockCount, into: last.baseAddress!)
                for c in whole..<columns { y[i * columns + c] = last[c - whole] }
            }
        }
    }
}
