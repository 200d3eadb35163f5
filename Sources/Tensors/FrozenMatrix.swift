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

