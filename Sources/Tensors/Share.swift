/// One of the `count` equal parts that an operator's work is divided into.
public struct Share: Sendable {
    public let index: Int
    public let count: Int

    public init(index: Int, of count: Int) {
        self.index = index
        self.count = count
    }

    /// All of the work.
    public static let whole = Share(index: 0, of: 1)

    /// This share of the range 0..<n.
    ///
    /// - Parameters:
    ///   - n: the number of work items.
    ///   - multiple: shares begin at multiples of this number.
    ///   - grain: the smallest number of items worth a share; if n is small, some shares are empty.
    @inline(__always)
    public func of(_ n: Int, multiple: Int = 1, grain: Int = 1) -> Range<Int> {
        let parts = Swift.min(count, Swift.max(1, n / grain))
        guard index < parts else { return n..<n }
        let blocks = (n + multiple - 1) / multiple
        let start = Swift.min(n, blocks * index / parts * multiple)
        let end = Swift.min(n, blocks * (index + 1) / parts * multiple)
        return start..<end
    }

    public var isFirst: Bool { index == 0 }
}
