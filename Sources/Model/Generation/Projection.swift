import CVector
import Tensors

/// y = x · W + b + scale · (x · Aᵀ) · Bᵀ, or the same added to y, with W in floats, in eight bits or in blocks.
struct Projection {
    /// What of a matrix is used, and how.
    struct Form {
        let inputs: Int
        /// The rows of a frozen matrix; a parameter's pointer begins with the first.
        let outputs: Range<Int>
        let precision: DecodingPrecision
        /// Whether weights in single precision are copied into the order in which a token reads them.
        let isInOrder: Bool
    }

    let inputs, outputs: Int
    private let bias: UnsafePointer<Float>?
    private let adapter: Adapter?
    private let weights: Weights
    /// The first row of a frozen matrix.
    private let first: Int

    private enum Weights {
        /// (inputs, outputs)
        case float(Matrix<Float>)
        case rows(RowMatrix)
        case quantized(QuantizedMatrix)
        case blocks(BlockMatrix, decoding: any FrozenMatrix)
        case frozen(any FrozenMatrix)
    }

    /// w (inputs, outputs), or transposed.
    init(_ w: Matrix<Float>, _ form: Form, bias: UnsafePointer<Float>?, adapter: Adapter?) {
        inputs = form.inputs
        outputs = form.outputs.count
        first = 0
        self.bias = bias
        self.adapter = adapter
        let rows = Matrix(w.pointer, stride: w.stride, transposed: !w.isTransposed)
        switch form.precision {
        case .float32, .stored:
            if let rows = RowMatrix(rows, rows: outputs, columns: inputs) {
                weights = .rows(rows)
            } else {
                weights = form.isInOrder ? .rows(RowMatrix(copying: w, rows: outputs, columns: inputs)) : .float(w)
            }
        case .int8: weights = .quantized(QuantizedMatrix(rows, rows: outputs, columns: inputs))
        }
    }

    init(_ w: any FrozenMatrix, _ form: Form, bias: UnsafePointer<Float>?, adapter: Adapter?) {
        precondition(w.columns == form.inputs && form.outputs.upperBound <= w.rows, "(\(w.rows), \(w.columns)) for \(form.outputs)")
        inputs = form.inputs
        outputs = form.outputs.count
        first = form.outputs.lowerBound
        self.bias = bias
        self.adapter = adapter
        weights = BlockMatrix(w).map { .blocks($0, decoding: w) } ?? .frozen(w)
    }

    /// Whether many rows of x must be quantised to blocks.
    var readsBlocks: Bool { if case .blocks(let w, _) = weights { w.multipliesMany } else { false } }

    /// Up to this number of rows of x, each is multiplied by itself; above, weights are decoded to floats first.
    static let fewRows = 8
    /// The same for weights in single precision.
    private static let fewFloatRows = 2

    /// Computes some columns of y (rows, stride) from x.
    func apply(
        _ x: inout ProjectionInput, into y: UnsafeMutablePointer<Float>, stride: Int, _ part: Range<Int>, adding: Bool = false
    ) {
        guard !part.isEmpty else { return }
        for row in 0..<x.rows { begin(y + row * stride, part, adding: adding) }
        multiply(&x, into: y, stride: stride, part)
        adapter?.apply(x, inputs: inputs, into: y, stride: stride, part)
    }

    private func begin(_ y: UnsafeMutablePointer<Float>, _ part: Range<Int>, adding: Bool) {
        if adding {
            if let bias { for column in part { y[column] += bias[column] } }
        } else if let bias {
            (y + part.lowerBound).update(from: bias + part.lowerBound, count: part.count)
        } else {
            (y + part.lowerBound).update(repeating: 0, count: part.count)
        }
    }

    private func multiply(_ x: inout ProjectionInput, into y: UnsafeMutablePointer<Float>, stride: Int, _ part: Range<Int>) {
        let matrixRows = first + part.lowerBound..<first + part.upperBound
        switch weights {
        case .float(let w):
            multiply(x, Matrix(w.pointer + part.lowerBound, stride: w.stride), into: y + part.lowerBound, stride, part.count)
        case .rows(let w) where x.rows <= Self.fewFloatRows:
            for row in 0..<x.rows { w.multiply(x.values + row * inputs, into: y + row * stride, rows: part) }
        case .rows(let w):
            let rows = Matrix(w.pointer + part.lowerBound * inputs, stride: inputs, transposed: true)
            multiply(x, rows, into: y + part.lowerBound, stride, part.count)
        case .quantized(let w) where x.rows <= Self.fewRows:
            var vector = QuantizedVector(memory: x.scratch.quantized.pointer)
            for row in 0..<x.rows {
                vector.set(x.values + row * inputs, count: inputs)
                w.multiply(vector, into: y + row * stride, rows: part)
            }
        case .quantized(let w): multiply(x, into: y, stride, part) { w.decode(rows: $0, into: $1) }
        case .blocks(let w, _) where x.rows <= Self.fewRows:
            w.multiply(x.blocks(width: inputs), count: x.rows, into: y - first, stride: stride, rows: matrixRows)
        case .blocks(let w, _) where w.multipliesMany:
            w.multiplyMany(
                x.blocks(width: inputs), count: x.rows, into: y - first, stride: stride, rows: matrixRows, panel: x.scratch.panel)
        case .blocks(_, let w), .frozen(let w):
            multiply(x, into: y, stride, part) { w.decode(rows: first + $0.lowerBound..<first + $0.upperBound, into: $1) }
        }
    }

    /// Decodes some rows of W at a time to floats, which fit in a cache, and multiplies all of x by them.
    private func multiply(
        _ x: ProjectionInput, into y: UnsafeMutablePointer<Float>, _ stride: Int, _ part: Range<Int>,
        decode: (Range<Int>, UnsafeMutablePointer<Float>) -> Void
    ) {
        let panel = x.scratch.panel.pointer, rows = max(1, x.scratch.panel.count / inputs)
        for start in Swift.stride(from: part.lowerBound, to: part.upperBound, by: rows) {
            let range = start..<min(start + rows, part.upperBound)
            decode(range, panel)
            multiply(x, Matrix(panel, stride: inputs, transposed: true), into: y + start, stride, range.count)
        }
    }

    private func multiply(_ x: ProjectionInput, _ w: Matrix<Float>, into y: UnsafeMutablePointer<Float>, _ stride: Int, _ columns: Int) {
        Float.multiply(
            Matrix(x.values, stride: inputs), w, into: y, stride: stride, m: x.rows, n: columns, k: inputs, alpha: 1, beta: 1)
    }
}

/// A low-rank adapter beside a projection.
struct Adapter {
    let rank: Int
    /// A (rank, inputs), B (outputs, rank)
    let low, high: UnsafePointer<Float>
    let scale: Float

    /// y += scale · (x · Aᵀ) · Bᵀ for some columns of y (rows, stride).
    func apply(_ x: ProjectionInput, inputs: Int, into y: UnsafeMutablePointer<Float>, stride: Int, _ part: Range<Int>) {
        withUnsafeTemporaryAllocation(of: Float.self, capacity: x.rows * rank) { between in
            guard let between = between.baseAddress else { return }
            Float.multiply(
                Matrix(x.values, stride: inputs), Matrix(low, stride: inputs, transposed: true), into: between, stride: rank, m: x.rows,
                n: rank, k: inputs, alpha: scale, beta: 0)
            Float.multiply(
                Matrix(between, stride: rank), Matrix(high + part.lowerBound * rank, stride: rank, transposed: true),
                into: y + part.lowerBound, stride: stride, m: x.rows, n: part.count, k: rank, alpha: 1, beta: 1)
        }
    }
}

/// The input of projections, x (rows, inputs): it is quantised once for all that read it.
struct ProjectionInput {
    let values: UnsafePointer<Float>
    let rows: Int
    let scratch: ProjectionScratch
    private let prepared: BlockVectors?
    private var areBlocksSet = false

    /// - Parameter prepared: all rows in blocks; needed for more than `Projection.fewRows`, if a projection reads blocks.
    init(_ values: UnsafePointer<Float>, rows: Int, _ scratch: ProjectionScratch, prepared: BlockVectors?) {
        self.values = values
        self.rows = rows
        self.scratch = scratch
        self.prepared = prepared
    }

    mutating func blocks(width: Int) -> BlockVectors {
        if rows > Projection.fewRows, let prepared { return prepared }
        precondition(rows <= Projection.fewRows, "\(rows) rows are not prepared")
        if !areBlocksSet { scratch.blocks.set(values, rows: 0..<rows, width: width) }
        areBlocksSet = true
        return scratch.blocks
    }
}

/// One thread's memory for projections.
final class ProjectionScratch {
    /// A vector of 12-bit integers.
    let quantized: Memory<Int16>
    let blocks: BlockVectors
    /// Decoded rows of weights.
    let panel: Memory<Float>

    /// The size of decoded weights, in numbers: a part of a second-level cache; at least one row.
    private static let panelSize = 96 << 10

    /// - Parameter width: that of the widest input.
    init(width: Int) {
        quantized = Memory(width)
        blocks = BlockVectors(limit: Projection.fewRows, width: width)
        panel = Memory(max(width, Self.panelSize, BlockMatrix.panelSize(width)))
    }
}
