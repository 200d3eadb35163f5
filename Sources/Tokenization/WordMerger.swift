/// The token that each byte of a word begins as.
struct BytesOfWords: Sendable {
    /// -1 where a byte has none.
    var tokens = [Int32](repeating: -1, count: 256)
    /// What stands for a byte without a token; nil leaves such a byte out.
    var unknown: Int32?
    /// Whether unknown bytes in a row are one token.
    var joinsUnknown = false

    init(joinsUnknown: Bool) { self.joinsUnknown = joinsUnknown }
}

/// Byte-pair encoding of one word: again and again the merge of lowest rank, leftmost first, until none is left.
/// https://arxiv.org/abs/1508.07909
///
/// A heap holds the candidate merges and a linked list the symbols, so a word of n bytes takes O(n log n). The buffers are
/// kept from word to word.
struct WordMerger: Sendable {
    private var symbols: [Symbol] = []
    /// Rank in the upper half, position in the lower: the least comes first.
    private var candidates = Heap()

    private struct Symbol {
        var token: Int32
        var previous: Int32
        var next: Int32
        /// The merge with the next symbol, which tells stale candidates from valid ones.
        var merge: MergeTable.Merge?
    }

    /// Appends the tokens of `word`, at most 2³¹ − 1 bytes, to `tokens`.
    mutating func encode(
        _ word: UnsafeBufferPointer<UInt8>, _ bytes: BytesOfWords, _ merges: MergeTable, to tokens: inout [Int]
    ) {
        symbols.removeAll(keepingCapacity: true)
        var followsUnknown = false
        for i in 0..<word.count {
            let known = bytes.tokens[Int(word[i])]
            defer { followsUnknown = known < 0 }
            if known < 0, followsUnknown, bytes.joinsUnknown { continue }
            guard let token = known < 0 ? bytes.unknown : known else { continue }
            let place = Int32(symbols.count)
            symbols.append(Symbol(token: token, previous: place - 1, next: place + 1, merge: nil))
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
        let eaten = Int(symbols[position].next)
        symbols[eaten].merge = nil
        symbols[position].token = merge.token
        symbols[position].next = symbols[eaten].next
        if symbols[eaten].next >= 0 { symbols[Int(symbols[eaten].next)].previous = Int32(position) }
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

/// A binary heap of numbers, the least on top.
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
