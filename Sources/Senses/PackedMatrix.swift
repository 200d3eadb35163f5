import CVector
import Dispatch
import Synchronization

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
    ///   - x: (rows, K); with `stride`, a row begins that many numbers after the row before, and rows may overlap.
    ///   - added: (rows, N).
    ///   - y: (rows, N).
    func multiply(
        _ x: UnsafePointer<Float>, stride: Int? = nil, rows: Int, adding added: UnsafePointer<Float>? = nil,
        into y: UnsafeMutablePointer<Float>, threads: Int = 1, level: Int32 = PackedMatrix.level
    ) {
        let matrix = CVectorPackedMatrix(
            panels: panels.pointer, bias: bias.pointer, K: K, N: N, clamps: clamps ? 1 : 0, xStride: stride ?? K, yStride: N)
        let byRows = rows >= Self.grain * threads
        share(byRows ? rows : panelCount, among: threads) { part in
            var matrix = matrix
            let rows = byRows ? part : 0..<rows, columns = byRows ? 0..<panelCount : part
            CVectorMultiplyPacked(
                level, &matrix, x, rows.lowerBound, rows.upperBound, columns.lowerBound, columns.upperBound, added, y)
        }
    }
}

/// A frozen matrix (N, K) in half precision with a bias (N), packed for products with one row: it is read from memory each time, so its
/// size is its cost.
struct HalfMatrix: Sendable {
    let N: Int, K: Int
    private let panels: HalfMemory
    private let bias: NumberMemory

    private static let width = Int(CVectorPanelColumns)
    /// Panels that are read side by side.
    private static let together = 4

    /// - Parameters:
    ///   - weight: (N, K), the bits of finite numbers in half precision.
    ///   - bias: (N).
    init(_ weight: [UInt16], bias: [Float]) {
        N = bias.count
        K = weight.count / max(1, bias.count)
        precondition(N > 0 && K > 0 && weight.count == N * K, "\(weight.count) weights for \(bias.count) columns")
        let (N, K, width) = (N, K, Self.width), count = (N + width - 1) / width
        let panels = HalfMemory(count * K * width)
        weight.withUnsafeBufferPointer { weight in
            for n in 0..<N {
                for k in 0..<K { panels.pointer[(n / width * K + k) * width + n % width] = weight[n * K + k] }
            }
        }
        self.panels = panels
        self.bias = NumberMemory(bias, atLeast: count * width)
    }

    /// y = W · x + b + added.
    /// - Parameters:
    ///   - x: (K).
    ///   - added: (N).
    ///   - y: (N).
    func multiply(
        _ x: UnsafePointer<Float>, adding added: UnsafePointer<Float>? = nil, into y: UnsafeMutablePointer<Float>, threads: Int = 1,
        level: Int32 = PackedMatrix.level
    ) {
        let matrix = CVectorHalfMatrix(panels: panels.pointer, bias: bias.pointer, K: K, N: N)
        let count = (N + Self.width - 1) / Self.width
        share((count + Self.together - 1) / Self.together, among: threads) { part in
            var matrix = matrix
            CVectorMultiplyHalves(
                level, &matrix, x, part.lowerBound * Self.together, min(count, part.upperBound * Self.together), added, y)
        }
    }

    /// Row n of W, (K).
    func row(_ n: Int) -> [Float] {
        (0..<K).map { Float(Float16(bitPattern: panels.pointer[(n / Self.width * K + $0) * Self.width + n % Self.width])) }
    }
}

/// Numbers in half precision that are aligned for vectors and released with the object.
///
/// Sendable because numbers are written only by the function that makes the object.
private final class HalfMemory: @unchecked Sendable {
    let pointer: UnsafeMutablePointer<UInt16>

    /// Zeros.
    init(_ count: Int) {
        let bytes = UnsafeMutableRawPointer.allocate(byteCount: max(1, count) * MemoryLayout<UInt16>.stride, alignment: 64)
        pointer = bytes.bindMemory(to: UInt16.self, capacity: max(1, count))
        pointer.initialize(repeating: 0, count: max(1, count))
    }

    deinit { UnsafeMutableRawPointer(pointer).deallocate() }
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

/// Does the work of 0..<count in blocks, which threads take in turn: one that is held up by other programs takes fewer.
/// - Parameters:
///   - size: the largest block.
///   - work: is given the number of the thread and a block.
func takeTurns(_ count: Int, by size: Int, among threads: Int, _ work: (Int, Range<Int>) -> Void) {
    let blocks = (count + size - 1) / size
    let next = Atomic<Int>(0)
    share(max(1, min(threads, blocks)), among: threads) { threads in
        for thread in threads {
            while true {
                let block = next.wrappingAdd(1, ordering: .relaxed).oldValue
                guard block < blocks else { break }
                work(thread, block * size..<min(count, (block + 1) * size))
            }
        }
    }
}
