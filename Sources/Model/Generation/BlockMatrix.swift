import CVector
import GGUF
import Tensors

/// A frozen matrix (rows, columns) in blocks of 32 numbers that a kernel multiplies as they are stored.
struct BlockMatrix {
    let rows: Int, columns: Int
    private let blocks: UnsafePointer<UInt8>
    private let format: CVectorBlockFormat
    /// For every row, its place in memory; nil if the order is the same.
    private let order: Memory<Int32>?
    /// What the memory of `blocks` belongs to.
    private let owner: Any

    /// The kernels for this processor.
    static let level = CVectorBestLevel()

    private init(
        rows: Int, columns: Int, _ blocks: UnsafePointer<UInt8>, _ format: CVectorBlockFormat, order: Memory<Int32>? = nil, owner: Any
    ) {
        (self.rows, self.columns, self.blocks, self.format, self.order, self.owner) = (rows, columns, blocks, format, order, owner)
    }

    /// The blocks of a matrix as they are stored, or 8-bit blocks made from them if no kernel reads theirs; nil for single numbers,
    /// which would lose precision.
    init?(_ matrix: any FrozenMatrix) {
        switch matrix {
        case let matrix as EightBitMatrix:
            self.init(rows: matrix.rows, columns: matrix.columns, Self.start(of: matrix), CVectorQ8_0, owner: matrix)
        case let matrix as GGUFMatrix where matrix.tensor.type.blockCount > 1:
            guard let format = Self.format(of: matrix.tensor.type) else {
                self.init(requantizing: matrix)
                return
            }
            let order = matrix.order.map { rows in
                let memory = Memory<Int32>(rows.count)
                for (row, place) in rows.enumerated() { memory[row] = place }
                return memory
            }
            self.init(rows: matrix.rows, columns: matrix.columns, Self.start(of: matrix), format, order: order, owner: matrix)
        default: return nil
        }
    }

    private init(requantizing matrix: GGUFMatrix) {
        let columns = matrix.columns, rowBytes = columns / GGUFType.q8_0.blockCount * GGUFType.q8_0.blockBytes
        let memory = Memory<UInt8>(matrix.rows * rowBytes)
        var numbers = [Float](repeating: 0, count: columns)
        for row in 0..<matrix.rows {
            numbers.withUnsafeMutableBufferPointer { matrix.decode(rows: row..<row + 1, into: $0.baseAddress!) }
            GGUFType.encodeEightBits(numbers, into: memory.pointer + row * rowBytes)
        }
        self.init(rows: matrix.rows, columns: columns, memory.pointer, CVectorQ8_0, owner: memory)
    }

    private static func format(of type: GGUFType) -> CVectorBlockFormat? {
        switch type {
        case .q4_0: CVectorQ4_0
        case .q4_1: CVectorQ4_1
        case .q8_0: CVectorQ8_0
        default: nil
        }
    }

    /// The address of the stored bytes, which is valid as long as the matrix exists.
    private static func start(of matrix: some FrozenMatrix) -> UnsafePointer<UInt8> {
        var start: UnsafeRawPointer?
        matrix.withUnsafeBytes { start = $0.baseAddress }
        guard let start else { preconditionFailure("a matrix without rows") }
        return start.assumingMemoryBound(to: UInt8.self)
    }

    private var blocksInRow: Int { (columns + 31) / 32 }

    private var matrix: CVectorBlockMatrix {
        CVectorBlockMatrix(blocks: blocks, order: order.map { UnsafePointer($0.pointer) }, blocksInRow: blocksInRow, format: format)
    }

    /// Whether `multiplyMany` has a kernel for this processor.
    var multipliesMany: Bool {
        var matrix = matrix
        return CVectorMultipliesMany(Self.level, &matrix) != 0
    }

    /// y[t · stride + row] += w[row] · x[t] for some rows and the first `count` vectors.
    func multiply(_ x: BlockVectors, count: Int, into y: UnsafeMutablePointer<Float>, stride: Int, rows part: Range<Int>) {
        var matrix = matrix
        CVectorMultiplyBlocks(
            Self.level, &matrix, part.lowerBound, part.upperBound, x.values.pointer, x.scales.pointer, count, y, stride)
    }

    /// The same, faster for many vectors.
    /// - Parameter panel: memory of at least `panelSize(columns)` numbers.
    func multiplyMany(
        _ x: BlockVectors, count: Int, into y: UnsafeMutablePointer<Float>, stride: Int, rows part: Range<Int>, panel: Memory<Float>
    ) {
        precondition(panel.count >= Self.panelSize(columns), "a panel of \(panel.count) numbers for \(columns) columns")
        var matrix = matrix
        CVectorMultiplyMany(
            Self.level, &matrix, part.lowerBound, part.upperBound, x.values.pointer, x.scales.pointer, count, y, stride, panel.pointer)
    }

    /// The size of a panel in single-precision numbers.
    static func panelSize(_ columns: Int) -> Int { (columns + 31) / 32 * Int(CVectorPanelBytes) / 4 }
}

/// Vectors in blocks of 32 eight-bit numbers with scales, in memory that is reused.
struct BlockVectors {
    let values: Memory<Int8>
    let scales: Memory<Float>

    /// Memory for a number of vectors of up to `width` numbers.
    init(limit: Int, width: Int) {
        values = Memory(limit * Self.groups(width) * Int(CVectorGroup))
        scales = Memory(limit * Self.groups(width) * Int(CVectorGroupScales))
    }

    private static func groups(_ width: Int) -> Int { (width + Int(CVectorGroup) - 1) / Int(CVectorGroup) }

    /// Quantises some rows of x (rows, width).
    func set(_ x: UnsafePointer<Float>, rows: Range<Int>, width: Int) {
        let groups = Self.groups(width)
        for row in rows {
            CVectorQuantizeBlocks(
                BlockMatrix.level, x + row * width, width, values.pointer + row * groups * Int(CVectorGroup),
                scales.pointer + row * groups * Int(CVectorGroupScales))
        }
    }
}
