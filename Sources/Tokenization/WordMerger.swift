/// The initial token of each byte of a word, before merging.
struct ByteTokens: Sendable {
    /// By byte; -1 for a byte without a token.
    var tokens = [Int32](repeating: -1, count: 256)
    /// The token of bytes that have none of their own; nil omits such bytes.
    var unknown: Int32?
    /// Whether consecutive unknown bytes become one token.
    var joinsUnknown = false

    init(joinsUnknown: Bool) { self.joinsUnknown = joinsUnknown }
}

/// Byte-pair encoding of one word: applies the merge of lowest rank, the leftmost first, until none applies.
/// https://arxiv.org/abs/1508.07909
///
/// The candidate merges are in a heap and the symbols in a linked list, so that a word of n bytes takes O(n log n). The buffers are
/// reused for the next word.
struct WordMerger: Sendable {
    private var symbols: [Symbol] = []
    /// Rank in the upper 32 bits, position in the lower; the least is taken first.
    private var candidates = Heap()

    private struct Symbol {
        var token: Int32
        var previous: Int32
        var next: Int32
        /// The merge with the next symbol; a candidate with another rank is stale.
        var merge: MergeTable.Merge?
    }

    /// Appends the tokens of `word`, at most 2³¹ − 1 bytes, to `tokens`.
    mutating func encode(
        _ word: UnsafeBufferPointer<UInt8>, _ bytes: ByteTokens, _ merges: MergeTable, to tokens: inout [Int]
    ) {
        symbols.removeAll(keepingCapacity: true)
        var followsUnknown = false
        for i in 0..<word.count {
            let known = bytes.tokens[Int(word[i])]
            defer { followsUnknown = known < 0 }
            if known < 0, followsUnknown, bytes.joinsUnknown { continue }
            guard let token = known < 0 ? bytes.unknown : known else { continue }
            let index = Int32(symbols.count)
            symbols.append(Symbol(token: token, previous: index - 1, next: index + 1, merge: nil))
        }
        guard !symbols.isEmpty else { return }
        symbols[symbols.count - 1].next = -1
        for i in 0..<symbols.count - 1 { consider(i, merges) }
        while let candidate = candidates.popLeast() {
            let position = Int(candidate & 0xFFFF_FFFF)
            guard let merge = symbols[position].merge, merge.rank == candidate >> 32 else { continue }
            apply(merge, at: position, merges)
        }
        var position = 0
        while position >= 0 {
            tokens.append(Int(symbols[position].token))
            position = Int(symbols[position].next)
        }
    }

    private mutating func apply(_ merge: MergeTable.Merge, at position: Int, _ merges: MergeTable) {
        let removed = Int(symbols[position].next)
        symbols[removed].merge = nil
        symbols[position].token = merge.token
        symbols[position].next = symbols[removed].next
        if symbols[removed].next >= 0 { symbols[Int(symbols[removed].next)].previous = Int32(position) }
        consider(position, merges)
        if symbols[position].previous >= 0 { consider(Int(symbols[position].previous), merges) }
    }

    @inline(__always)
    private mutating func consider(_ position: Int, _ merges: MergeTable) {
        let next = symbols[position].next
        let merge = next < 0 ? nil : merges[symbols[position].token, symbols[Int(next)].token]
        symbols[position].merge = merge
        if let merge { candidates.push(UInt64(merge.rank) << 32 | UInt64(position)) }
    }
}

/// A binary min-heap.
private struct Heap {
    private var values: [UInt64] = []

    mutating func push(_ value: UInt64) {
        values.append(value)
        var child = values.count - 1
        while child > 0 {
            let parent = (child - 1) / 2
            guard values[parent] > value else { break }
            values[child] = values[parent]
            child = parent
        }
        values[child] = value
    }

    mutating func popLeast() -> UInt64? {
        guard let least = values.first, let last = values.popLast() else { return nil }
        guard !values.isEmpty else { return least }
        var parent = 0
        while true {
            var child = 2 * parent + 1
            guard child < values.count else { break }
            if child + 1 < values.count, values[child + 1] < values[child] { child += 1 }
            guard values[child] < last else { break }
            values[parent] = values[child]
            parent = child
        }
        values[parent] = last
        return least
    }
}
