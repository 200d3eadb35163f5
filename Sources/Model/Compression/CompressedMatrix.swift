import GGUF
import Tensors

/// A matrix (rows, columns) in blocks of a GGUF format without offsets.
struct CompressedMatrix: FrozenMatrix {
    let rows: Int
    let columns: Int
    let type: GGUFType
    private let memory: Bytes

    /// The bytes of all rows, freed when the last copy of the matrix is released. Sendable: nothing writes to them after `init`.
    private final class Bytes: @unchecked Sendable {
        let bytes: UnsafeMutableRawBufferPointer

        init(count: Int) { bytes = .allocate(byteCount: count, alignment: 64) }

        deinit { bytes.deallocate() }
    }

    /// - Parameters:
    ///   - rows: the number of rows.
    ///   - columns: a multiple of the blocks' size.
    ///   - type: the format of the blocks.
    ///   - fill: writes all blocks, row by row.
    init(rows: Int, columns: Int, _ type: GGUFType, fill: (UnsafeMutableRawPointer) -> Void) {
        precondition(rows > 0 && columns > 0 && columns.isMultiple(of: type.blockCount), "(\(rows), \(columns)) as \(type)")
        (self.rows, self.columns, self.type) = (rows, columns, type)
        memory = Bytes(count: rows * (columns / type.blockCount) * type.blockBytes)
        fill(memory.bytes.baseAddress!)
    }

    private var rowBytes: Int { columns / type.blockCount * type.blockBytes }

    var bytes: Int { memory.bytes.count }

    func withUnsafeBytes(_ body: (UnsafeRawBufferPointer) -> Void) { body(UnsafeRawBufferPointer(memory.bytes)) }

    func decode(rows range: Range<Int>, into y: UnsafeMutablePointer<Float>) {
        GGUFTensor.decode(
            UnsafeRawPointer(memory.bytes.baseAddress!) + range.lowerBound * rowBytes, type, count: range.count * columns, into: y)
    }

    /// The tensor of a file.
    func content(at place: GGUFPlace) -> GGUFContent {
        .encoded(place.name, type, [rows, columns]) { append in
            guard let order = place.order else { return try append(UnsafeRawBufferPointer(memory.bytes)) }
            var own = [Int](repeating: 0, count: rows)
            for (row, stored) in order.enumerated() { own[Int(stored)] = row }
            for row in own { try append(UnsafeRawBufferPointer(rebasing: memory.bytes[row * rowBytes..<(row + 1) * rowBytes])) }
        }
    }
}
