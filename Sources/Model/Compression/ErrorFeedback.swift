import GGUF
import Tensors

/// How the error of rounding one column of a matrix is passed on to the columns that are rounded after it.
///
/// With inputs of second moments H = (1 + U) · D · (1 + U)ᵀ, U strictly upper triangular, the error Σ (w − ŵ) H (w − ŵ)ᵀ of a row is
/// Σ_j D_j · (w_j + Σ_{i<j} (w_i − ŵ_i) U_ij − ŵ_j)²: so each column is rounded to what the errors before it have made of it.
/// https://arxiv.org/abs/2307.13304, §3; the same as https://arxiv.org/abs/2210.17323.
struct ErrorFeedback {
    /// K, the number of columns: whole blocks.
    let columns: Int
    /// The columns in the order in which they are rounded: those that matter most first, blocks of 32 together.
    let order: [Int]
    /// U (K, K) and D (K), in that order.
    let U: Memory<Float>, D: [Float]

    /// - Parameters:
    ///   - moments: H (K, K), of which the upper triangle is read.
    ///   - columns: K.
    ///   - damping: what is added to the diagonal, as a part of its mean.
    init(_ moments: Memory<Float>, columns K: Int, damping: Double) {
        columns = K
        let H = moments.pointer, diagonal = (0..<K).map { H[$0 * K + $0] }
        order = Self.order(diagonal)
        let mean = diagonal.reduce(0) { $0 + Double($1) } / Double(K)
        let factor = Memory<Double>(K * K), A = factor.pointer
        for (i, row) in order.enumerated() {
            for (j, column) in order.enumerated().dropFirst(i) { A[i * K + j] = Double(H[min(row, column) * K + max(row, column)]) }
            A[i * K + i] += mean > 0 ? damping * mean : 1
        }
        Self.factorize(A, K)
        (U, D) = (Memory(K * K), (0..<K).map { Float(A[$0 * K + $0] * A[$0 * K + $0]) })
        for i in 0..<K {
            for j in i + 1..<max(K, i + 1) { U[i * K + j] = Float(A[i * K + j] / A[j * K + j]) }
        }
    }

    /// Blocks by their sums, and columns of a block by themselves, the greatest first.
    private static func order(_ diagonal: [Float]) -> [Int] {
        let blocks = stride(from: 0, to: diagonal.count, by: BlockGrid.count).map { $0..<min($0 + BlockGrid.count, diagonal.count) }
        let sums = blocks.map { diagonal[$0].reduce(0, +) }
        let places = blocks.indices.sorted { (sums[$1], $0) < (sums[$0], $1) }
        return places.flatMap { place in blocks[place].sorted { (diagonal[$1], $0) < (diagonal[$0], $1) } }
    }

    /// Replaces the upper triangle of a positive definite A (K, K) by R with A = R · Rᵀ, from its last columns to its first.
    static func factorize(_ A: UnsafeMutablePointer<Double>, _ K: Int) {
        let part = 64
        for last in stride(from: K, to: 0, by: -part) {
            let first = max(0, last - part)
            for j in stride(from: last - 1, through: first, by: -1) {
                var square = A[j * K + j]
                for k in j + 1..<max(last, j + 1) { square -= A[j * K + k] * A[j * K + k] }
                // Rounding may leave a pivot that is not positive where columns depend on each other.
                let pivot = max(square, Double.leastNormalMagnitude.squareRoot()).squareRoot()
                A[j * K + j] = pivot
                for i in 0..<j {
                    var number = A[i * K + j]
                    for k in j + 1..<max(last, j + 1) { number -= A[i * K + k] * A[j * K + k] }
                    A[i * K + j] = number / pivot
                }
            }
            guard first > 0 else { return }
            let panel = UnsafePointer(A + first)
            for start in stride(from: 0, to: first, by: part) {
                let rows = min(part, first - start)
                Double.multiply(
                    Matrix(panel + start * K, stride: K), Matrix(panel + start * K, stride: K, transposed: true),
                    into: A + start * K + start, stride: K, m: rows, n: first - start, k: last - first, alpha: -1, beta: 1)
            }
        }
    }
}
