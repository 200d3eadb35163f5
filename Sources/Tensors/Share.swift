/// Which part of every operator's work one member of a team does.
public struct Share: Sendable {
    public let index: Int
    public let count: Int

    public init(index: Int, of count: Int) {
        self.index = index
        self.count = count
    }

    /// The whole work, for one member alone.
    public static let whole = Share(index: 0, of: 1)

    /// This member's part of 0..<n. Parts begin at multiples; where n is less than two grains, fewer members take part.
    @inline(__always)
    public func of(_ n: Int, multiple: Int = 1, grain: Int = 1) -> Range<Int> {
        let members = Swift.min(count, Swift.max(1, n / grain))
        guard index < members else { return n..<n }
        let blocks = (n + multiple - 1) / multiple
        let start = Swift.min(n, blocks * index / members * multiple)
        let end = Swift.min(n, blocks * (index + 1) / members * multiple)
        return start..<end
    }

    public var isFirst: Bool { index == 0 }
}
