/// A matrix that does not learn, in any storage format: rows can be decoded to floats.
///
/// A graph multiplies by it without a decoded copy of the whole, so a frozen model stays in memory as it is stored.
public protocol FrozenMatrix: Sendable {
    /// The number of rows.
    var rows: Int { get }
    /// The number of columns.
    var columns: Int { get }
    /// The size in memory, in bytes.
    var bytes: Int { get }
    /// Decodes rows, one after the other.
    /// - Parameters:
    ///   - range: the rows.
    ///   - y: memory for range.count × columns numbers.
    func decode(rows range: Range<Int>, into y: UnsafeMutablePointer<Float>)
    /// Calls `body` with the stored bytes, for a digest.
    func withUnsafeBytes(_ body: (UnsafeRawBufferPointer) -> Void)
}

extension FrozenMatrix {
    /// Decodes rows to numbers of any type.
    @inline(__always)
    func decode<S: Scalar>(rows range: Range<Int>, as _: S.Type, into y: UnsafeMutablePointer<S>) {
        if S.self == Float.self { return decode(rows: range, into: UnsafeMutableRawPointer(y).assumingMemoryBound(to: Float.self)) }
        let count = range.count * columns
        withUnsafeTemporaryAllocation(of: Float.self, capacity: count) { floats in
            guard let start = floats.baseAddress else { return }
            decode(rows: range, into: start)
            for i in 0..<count { y[i] = S(Double(start[i])) }
        }
    }
}

/// Memory that all operators of a graph use, one after the other: nothing in it lasts from one operator to the next.
final class Scratch<S: Scalar> {
    private var buffer: Buffer<S>?
    private let isPlan: Bool
    /// The count of numbers.
    private(set) var count = 0

    init(isPlan: Bool) { self.isPlan = isPlan }

    var pointer: UnsafeMutablePointer<S> { buffer!.memory.baseAddress! }

    func reserve(_ count: Int) {
        guard count > self.count else { return }
        self.count = count
        buffer = Buffer(isPlan ? 1 : count)
    }
}
