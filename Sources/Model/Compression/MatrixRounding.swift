import GGUF
import Tensors

/// Rounds a matrix to blocks of a format: with error feedback, or every number for itself.
///
/// It has one owner: it is not `Sendable`; the shares of its work write different rows.
final class MatrixRounding: TeamWork {
    private let W: UnsafePointer<Float>
    private let N: Int, K: Int
    private let grid: BlockGrid
    private let feedback: ErrorFeedback?
    private let blocks: UnsafeMutableRawPointer

    /// The rows whose feedback is computed together.
    private static let strip = 64
    private static let size = BlockGrid.count

    private init(
        _ W: UnsafePointer<Float>, rows: Int, columns: Int, _ grid: BlockGrid, _ feedback: ErrorFeedback?,
        into blocks: UnsafeMutableRawPointer
    ) {
        (self.W, N, K, self.grid, self.feedback, self.blocks) = (W, rows, columns, grid, feedback, blocks)
    }

    /// - Parameters:
    ///   - W: finite numbers (rows, columns).
    ///   - rows: the number of rows.
    ///   - columns: a multiple of 32.
    ///   - grid: the format.
    ///   - feedback: that of the matrix's inputs; nil for rounding to nearest.
    ///   - team: the threads that compute.
    static func round(
        _ W: UnsafePointer<Float>, rows: Int, columns: Int, to grid: BlockGrid, feedback: ErrorFeedback?, team: Team
    ) -> CompressedMatrix {
        precondition(feedback.map { $0.columns == columns } ?? true, "feedback of \(feedback!.columns) columns for \(columns)")
        return CompressedMatrix(rows: rows, columns: columns, grid.type) { bytes in
            team.run(MatrixRounding(W, rows: rows, columns: columns, grid, feedback, into: bytes))
        }
    }

    func work(_ share: Share, round: Int) {
        let part = share.of(N, multiple: Self.strip)
        for start in stride(from: part.lowerBound, to: part.upperBound, by: Self.strip) {
            self.round(rows: start..<min(start + Self.strip, part.upperBound))
        }
    }

    private func round(rows: Range<Int>) {
        let errors = Memory<Float>(rows.count * K), targets = Memory<Float>(rows.count * Self.size)
        let own = Memory<Float>(Self.size), q = Memory<Int8>(Self.size), stored = Memory<Int8>(Self.size)
        let blocksInRow = K / Self.size
        for first in stride(from: 0, to: K, by: Self.size) {
            for (i, row) in rows.enumerated() {
                for j in 0..<Self.size { targets[i * Self.size + j] = W[row * K + column(first + j)] }
            }
            if let feedback, first > 0 {
                Float.multiply(
                    Matrix(errors.pointer, stride: K), Matrix(feedback.U.pointer + first, stride: K), into: targets.pointer,
                    stride: Self.size, m: rows.count, n: Self.size, k: first, alpha: 1, beta: 1)
            }
            let block = column(first) / Self.size
            for (i, row) in rows.enumerated() {
                let target = targets.pointer + i * Self.size
                let scale = grid.scale(of: target, weights: feedback.map { $0.D[first..<first + Self.size] })
                if let feedback {
                    for j in 0..<Self.size { own[j] = W[row * K + column(first + j)] }
                    grid.round(
                        target, own.pointer, scale: Float(scale), feedback.U.pointer + first * K + first, stride: K, into: q.pointer,
                        errors: errors.pointer + i * K + first)
                } else {
                    grid.round(target, scale: Float(scale), into: q.pointer)
                }
                for j in 0..<Self.size { stored[column(first + j) % Self.size] = q[j] }
                grid.store(stored.pointer, scale: scale, to: blocks + (row * blocksInRow + block) * grid.type.blockBytes)
            }
        }
    }

    private func column(_ place: Int) -> Int { feedback?.order[place] ?? place }
}

extension BlockGrid {
    /// Rounds 32 numbers, each for itself.
    func round(_ x: UnsafePointer<Float>, scale: Float, into q: UnsafeMutablePointer<Int8>) {
        let inverse = scale == 0 ? 0 : 1 / scale
        for j in 0..<Self.count { q[j] = Int8(code(x[j] * inverse)) }
    }

    /// Rounds 32 numbers one after the other, each to what the errors before it have made of it.
    ///
    /// - Parameters:
    ///   - target: what the errors of earlier blocks have made of the numbers; changed.
    ///   - w: the numbers.
    ///   - scale: d.
    ///   - U: the part of the feedback between these columns, zero below and on its diagonal.
    ///   - stride: the row length of U.
    ///   - q: the result.
    ///   - errors: w − d · q.
    func round(
        _ target: UnsafeMutablePointer<Float>, _ w: UnsafePointer<Float>, scale: Float, _ U: UnsafePointer<Float>, stride: Int,
        into q: UnsafeMutablePointer<Int8>, errors: UnsafeMutablePointer<Float>
    ) {
        let inverse = scale == 0 ? 0 : 1 / scale
        var (low, high) = (SIMD16<Float>(load: target), SIMD16<Float>(load: target + 16))
        for j in 0..<Self.count {
            let code = code((j < 16 ? low[j] : high[j - 16]) * inverse), error = w[j] - scale * Float(code)
            (q[j], errors[j]) = (Int8(code), error)
            let row = U + j * stride
            low += SIMD16(load: row) * error
            high += SIMD16(load: row + 16) * error
        }
    }

    private func code(_ x: Float) -> Int {
        // What is not a number, after an overflow, becomes the least code.
        guard x > Float(codes.lowerBound) else { return codes.lowerBound }
        return x < Float(codes.upperBound) ? Int(x.rounded(.toNearestOrEven)) : codes.upperBound
    }

    /// The scale of 32 numbers whose weighted squared error, each rounded for itself, is least among some.
    ///
    /// Tried are those at which the number of greatest magnitude becomes the least code, or a little more or less; then the scale is set to
    /// the best one for the same codes: d = Σ D x q / Σ D q².
    func scale(of x: UnsafePointer<Float>, weights: ArraySlice<Float>?) -> Float16 {
        var extreme: Float = 0
        for j in 0..<Self.count where abs(x[j]) > abs(extreme) { extreme = x[j] }
        guard extreme != 0 else { return 0 }
        let least = Float(codes.lowerBound)
        var best = extreme / least, bestGain: Float = -1
        let (x0, x1) = (SIMD16<Float>(load: x), SIMD16<Float>(load: x + 16))
        var (w0, w1) = (SIMD16<Float>(repeating: 1), SIMD16<Float>(repeating: 1))
        if let weights {
            weights.withUnsafeBufferPointer {
                (w0, w1) = (SIMD16(load: $0.baseAddress!), SIMD16(load: $0.baseAddress! + 16))
            }
        }
        for step in codes.count > Self.fineCodes ? 0...0 : -9...9 {
            let inverse = (least + Float(step) / 10) / extreme
            let (q0, q1) = (codes(x0 * inverse), codes(x1 * inverse))
            let product = (w0 * x0 * q0 + w1 * x1 * q1).total, square = (w0 * q0 * q0 + w1 * q1 * q1).total
            let gain = product * product / square
            if gain > bestGain { (best, bestGain) = (product / square, gain) }
        }
        return Float16(max(-Self.largestScale, min(Self.largestScale, best)))
    }

    /// With more codes than these the greatest number decides the scale.
    private static var fineCodes: Int { 64 }
    private static var largestScale: Float { Float(Float16.greatestFiniteMagnitude) }

    private func codes(_ x: SIMD16<Float>) -> SIMD16<Float> {
        // Adding 1.5·2²³ rounds to an integer.
        let magic = SIMD16<Float>(repeating: 12_582_912), least = Float(codes.lowerBound), most = Float(codes.upperBound)
        let rounded = (x + magic) - magic
        return rounded.replacing(with: least, where: rounded .< least).replacing(with: most, where: rounded .> most)
    }
}
