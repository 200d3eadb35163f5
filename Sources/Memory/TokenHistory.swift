/// The newest tokens that were learned, with an index of the contexts that precede them.
///
/// For every order k, the positions that follow the same k tokens form a chain, from the newest to the oldest. A hash only finds its
/// head; tokens are compared. So predictions depend on the tokens kept alone, and the index can be rebuilt from them.
struct TokenHistory: Sendable {
    /// A token, or a gap, and where it comes from.
    struct Entry: Sendable, Equatable {
        var token: Int32
        var source: Int
    }

    /// The lengths of the contexts with chains, ascending.
    static let orders = [1, 2, 3, 4, 6, 9]
    /// The longest context that is compared.
    static let longestMatch = 32
    /// The end of a sequence: it is never predicted, and no context reaches beyond it.
    static let gap: Int32 = -1

    /// The maximum number of entries.
    let capacity: Int
    /// The number of entries added, including those that made room.
    private(set) var count = 0
    private var ring: [Entry]
    /// The number of heads of an order, a power of two.
    private let slots: Int
    /// The newest position of a chain, by order and hash; −1 if there is none.
    private var heads: [Int]
    /// The position before each in its chain, by order.
    private var earlier: [Int]

    init(capacity: Int) {
        self.capacity = capacity
        slots = 1 << (Int.bitWidth - (2 * capacity - 1).leadingZeroBitCount)
        ring = Array(repeating: Entry(token: Self.gap, source: 0), count: capacity)
        heads = Array(repeating: -1, count: slots * Self.orders.count)
        earlier = Array(repeating: -1, count: capacity * Self.orders.count)
    }

    /// A history of `count` entries, of which the last are kept.
    init(capacity: Int, count: Int, kept: some Collection<Entry>) {
        self.init(capacity: capacity)
        self.count = count - kept.count
        for entry in kept { append(entry) }
    }

    /// The entries kept, the oldest first.
    var entries: [Entry] { (oldest..<count).map { ring[$0 % capacity] } }

    /// The last tokens of the last sequence, up to the longest context.
    var context: [Int32] {
        Array((max(oldest, count - Self.longestMatch)..<count).reversed().map(token).prefix { $0 != Self.gap }.reversed())
    }

    private var oldest: Int { max(0, count - capacity) }

    @inline(__always)
    func token(_ position: Int) -> Int32 { ring[position % capacity].token }

    mutating func append(_ entry: Entry) {
        let place = count % capacity
        if entry.token != Self.gap {
            let context = context
            for order in Self.orders.indices {
                guard let head = head(of: order, after: context) else { break }
                earlier[order * capacity + place] = heads[head]
                heads[head] = count
            }
        }
        ring[place] = entry
        count += 1
    }

    /// The index of the chain of a context's last tokens; nil if there are fewer than the order.
    private func head(of order: Int, after context: [Int32]) -> Int? {
        let k = Self.orders[order]
        guard context.count >= k else { return nil }
        // D. Knuth, TAOCP 3, §6.4: multiplication by an odd constant near 2⁶⁴/φ.
        let hash = context.suffix(k).reduce(UInt64(k)) { hash, token in
            let mixed = (hash ^ UInt64(UInt32(bitPattern: token))) &* 0x9E37_79B9_7F4A_7C15
            return mixed ^ mixed >> 29
        }
        return order * slots + Int(hash & UInt64(slots - 1))
    }

    /// Calls `body` with the positions that followed a context's last tokens, the newest first.
    /// - Parameters:
    ///   - order: an index in `orders`.
    ///   - most: the maximum number of positions looked at.
    func occurrences(of order: Int, after context: [Int32], most: Int, _ body: (_ position: Int) -> Void) {
        guard let head = head(of: order, after: context) else { return }
        let k = Self.orders[order]
        var position = heads[head], looked = 0
        // A chain only gets older: where its context is not kept any more, it ends.
        while position - k >= oldest, looked < most {
            if matchLength(before: position, context, atMost: k) == k { body(position) }
            position = earlier[order * capacity + position % capacity]
            looked += 1
        }
    }

    /// The number of equal tokens before a position and at the end of a context.
    func matchLength(before position: Int, _ context: [Int32], atMost most: Int = longestMatch) -> Int {
        var length = 0
        let most = min(most, context.count, position - oldest)
        while length < most, token(position - 1 - length) == context[context.count - 1 - length] { length += 1 }
        return length
    }
}
