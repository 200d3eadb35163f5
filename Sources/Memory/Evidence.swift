/// What followed earlier occurrences of the last tokens.
struct Evidence: Sendable {
    /// A token that followed one of the contexts.
    struct Candidate: Sendable {
        let token: Int32
        /// For each order, how often it followed.
        var counts = [Int](repeating: 0, count: TokenHistory.orders.count)
        /// For each order, whether it followed the newest occurrence.
        var isNewest = [Bool](repeating: false, count: TokenHistory.orders.count)
    }

    var candidates: [Candidate] = []
    /// For each order, the number of occurrences.
    private(set) var totals = [Int](repeating: 0, count: TokenHistory.orders.count)
    /// The length of the longest match, and the token that followed it.
    private(set) var match = (length: 0, token: TokenHistory.gap)

    /// - Parameters:
    ///   - most: the maximum number of candidates; those of longer and newer contexts come first.
    ///   - occurrences: the maximum number of occurrences of each order.
    init(of history: TokenHistory, after context: [Int32], candidates most: Int, occurrences: Int) {
        for order in TokenHistory.orders.indices.reversed() {
            history.occurrences(of: order, after: context, most: occurrences) { position in
                let token = history.token(position)
                totals[order] += 1
                if let i = index(of: token, most: most) {
                    candidates[i].counts[order] += 1
                    if totals[order] == 1 { candidates[i].isNewest[order] = true }
                }
                // All matches of the longest order compete; a shorter order only counts if no longer one was found.
                guard match.length <= TokenHistory.orders[order] || order == TokenHistory.orders.count - 1 else { return }
                let length = history.matchLength(before: position, context)
                if length > match.length { match = (length, token) }
            }
        }
    }

    private mutating func index(of token: Int32, most: Int) -> Int? {
        if let i = candidates.firstIndex(where: { $0.token == token }) { return i }
        guard token != TokenHistory.gap, candidates.count < most else { return nil }
        candidates.append(Candidate(token: token))
        return candidates.count - 1
    }

    /// The order of the longest context that the candidate followed, counted from 1; 0 for none.
    func highestOrder(of candidate: Candidate) -> Int { (candidate.counts.lastIndex { $0 > 0 } ?? -1) + 1 }
}
