import CVector
import Dispatch

/// Numbers in memory that are aligned for vectors and released with the object.
///
/// Sendable because numbers are written only by the function that makes the object, or by the one value that owns it as working memory.
final class NumberMemory: @unchecked Sendable {
    let pointer: UnsafeMutablePointer<Float>
    let count: Int

    /// Zeros.
    init(_ count: Int) {
        self.count = count
        let bytes = UnsafeMutableRawPointer.allocate(byteCount: max(1, count) * MemoryLayout<Float>.stride, alignment: 64)
        pointer = bytes.bindMemory(to: Float.self, capacity: max(1, count))
        pointer.initialize(repeating: 0, count: max(1, count))
    }

    convenience init(_ numbers: [Float], atLeast count: Int = 0) {
        self.init(max(count, numbers.count))
        pointer.update(from: numbers, count: numbers.count)
    }

    deinit { UnsafeMutableRawPointer(pointer).deallocate() }
}

/// A frozen matrix (N, K) with a bias (N), packed for products with many rows.
struct PackedMatrix: Sendable {
    let N: Int, K: Int
    /// Whether results are clamped to 0…6.
    let clamps: Bool
    private let panels: NumberMemory
    private let bias: NumberMemory

    private static let width = Int(CVectorPanelColumns)
    /// The kernels for this processor.
    static let level = CVectorBestLevel()
    private static let grain = 64

    private var panelCount: Int { panels.count / max(1, K * Self.width) }

    /// - Parameters:
    ///   - weight: (N, K).
    ///   - bias: (N).
    init(_ weight: [Float], bias: [Float], clamps: Bool = false) {
        N = bias.count
        K = weight.count / max(1, bias.count)
        precondition(N > 0 && K > 0 && weight.count == N * K, "\(weight.count) weights for \(bias.count) columns")
        self.clamps = clamps
        let width = Self.width, count = (N + width - 1) / width
        panels = NumberMemory(count * K * width)
        for n in 0..<N {
            for k in 0..<K { panels.pointer[(n / width * K + k) * width + n % width] = weight[n * K + k] }
        }
        self.bias = NumberMemory(bias, atLeast: count * width)
    }

    /// y = x · Wᵀ + b, clamped if so made, + added. Work is divided by rows or, if there are few, by columns.
    /// - Parameters:
    ///   - x: (rows, K).
    ///   - added: (rows, N).
    ///   - y: (rows, N).
    func multiply(
        _ x: UnsafePointer<Float>, rows: Int, adding added: UnsafePointer<Float>? = nil, into y: UnsafeMutablePointer<Float>,
        threads: Int, level: Int32 = PackedMatrix.level
    ) {
        let matrix = CVectorPackedMatrix(panels: panels.pointer, bias: bias.pointer, K: K, N: N, clamps: clamps ? 1 : 0)
        let byRows = rows >= Self.grain * threads
        share(byRows ? rows : panelCount, among: threads) { part in
            var matrix = matrix
            let rows = byRows ? part : 0..<rows, columns = byRows ? 0..<panelCount : part
            CVectorMultiplyPacked(
                level, &matrix, x, rows.lowerBound, rows.upperBound, columns.lowerBound, columns.upperBound, added, y)
        }
    }
}

/// Divides 0..<count among threads and does all parts.
func share(_ count: Int, among threads: Int, _ work: (Range<Int>) -> Void) {
    let parts = max(1, min(threads, count))
    if parts == 1 { return work(0..<count) }
    withoutActuallyEscaping(work) { work in
        // Unsafe: all parts are done before this returns, and parts write to memory of their own.
        nonisolated(unsafe) let work = work
        DispatchQueue.concurrentPerform(iterations: parts) { part in work(count * part / parts..<count * (part + 1) / parts) }
    }
}
