import CVector
import Tensors

/// A matrix (rows, columns) stored row by row, so that a product with a vector reads memory sequentially, which decides the time
/// of a token.
struct RowMatrix {
    let rows, columns: Int
    let pointer: UnsafePointer<Float>
    /// The memory of `pointer`, if the matrix owns it.
    private let own: Memory<Float>?

    /// w (rows, columns) in its own memory; nil if its rows are not contiguous.
    init?(_ w: Matrix<Float>, rows: Int, columns: Int) {
        guard !w.isTransposed, w.stride == columns else { return nil }
        (self.rows, self.columns, pointer, own) = (rows, columns, w.pointer, nil)
    }

    /// A copy of w (rows, columns), which is stored transposed, (columns, rows).
    init(copying w: Matrix<Float>, rows: Int, columns: Int) {
        let copy = Memory<Float>(rows * columns), block = 32
        for row in stride(from: 0, to: rows, by: block) {
            for column in stride(from: 0, to: columns, by: block) {
                for r in row..<min(rows, row + block) {
                    for c in column..<min(columns, column + block) { copy.pointer[r * columns + c] = w.pointer[c * w.stride + r] }
                }
            }
        }
        (self.rows, self.columns, pointer, own) = (rows, columns, UnsafePointer(copy.pointer), copy)
    }

    /// y[row] += w[row] · x for some rows.
    func multiply(_ x: UnsafePointer<Float>, into y: UnsafeMutablePointer<Float>, rows part: Range<Int>) {
        for row in part {
            let w = pointer + row * columns
            y[row] += hasAVX2 ? CVectorDotFloatAVX2(w, x, columns) : CVectorDotFloatBaseline(w, x, columns)
        }
    }
}

let hasAVX2 = CVectorHasAVX2() != 0
