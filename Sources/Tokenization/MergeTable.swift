/// The merges of byte-pair encoding: rank and resulting token by the pair (left, right). A hash table with open addressing.
struct MergeTable: Sendable {
    struct Merge {
        let rank: UInt32
        let token: Int32
    }

    private struct Entry {
        var pair: UInt64 = .max
        var merge = Merge(rank: 0, token: 0)
    }

    private var entries: [Entry]
    private let mask: Int

    init(capacity: Int) {
        let capacity = max(16, capacity * 2).nextPowerOfTwo
        entries = Array(repeating: Entry(), count: capacity)
        mask = capacity - 1
    }

    /// Adds a merge. For a pair that is listed twice the last rank is used, as in Hugging Face's tokenizers.
    mutating func insert(_ left: Int32, _ right: Int32, rank: UInt32, token: Int32) {
        let pair = Self.pair(left, right)
        entries[slot(of: pair)] = Entry(pair: pair, merge: Merge(rank: rank, token: token))
    }

    @inline(__always)
    subscript(left: Int32, right: Int32) -> Merge? {
        let pair = Self.pair(left, right)
        let entry = entries[slot(of: pair)]
        return entry.pair == pair ? entry.merge : nil
    }

    @inline(__always)
    private static func pair(_ left: Int32, _ right: Int32) -> UInt64 {
        UInt64(UInt32(bitPattern: left)) << 32 | UInt64(UInt32(bitPattern: right))
    }

    @inline(__always)
    private func slot(of pair: UInt64) -> Int {
        var slot = Int(truncatingIfNeeded: mixed(pair)) & mask
        while entries[slot].pair != pair, entries[slot].pair != .max { slot = (slot + 1) & mask }
        return slot
    }
}
