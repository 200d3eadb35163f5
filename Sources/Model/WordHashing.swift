/// Hashes words and pairs of neighbouring words into buckets: words are useful features before a byte-level model has learned to
/// read.  Feature hashing: https://arxiv.org/abs/0902.2206
struct WordHashing: Sendable {
    let buckets: Int
    /// Whether tokens are bytes, which form words between white space; otherwise every token is a word.
    private let readsBytes: Bool

    /// A vocabulary of at most 512 tokens is taken as one of bytes.
    init(buckets: Int, vocabulary: Int) {
        self.buckets = buckets
        readsBytes = vocabulary <= 512
    }

    /// The buckets of all words, then of all pairs; at most `limit` in total.
    func buckets(of tokens: [Int], limit: Int) -> [Int] {
        let hashes = words(of: tokens).map { mix(hash(of: tokens[$0])) }
        let pairs = zip(hashes, hashes.dropFirst()).map { first, second in mix(first &* 31 &+ second) }
        return (hashes + pairs).prefix(limit).map { Int($0 % UInt64(buckets)) }
    }

    /// The tokens of each word, in order.
    func words(of tokens: [Int]) -> [Range<Int>] {
        guard readsBytes else { return tokens.indices.map { $0..<$0 + 1 } }
        var words: [Range<Int>] = []
        var start: Int?
        for (place, token) in tokens.enumerated() {
            if !Self.separatesWords(token) {
                start = start ?? place
            } else if let begun = start {
                words.append(begun..<place)
                start = nil
            }
        }
        if let start { words.append(start..<tokens.count) }
        return words
    }

    private func hash(of word: ArraySlice<Int>) -> UInt64 {
        guard readsBytes else { return UInt64(bitPattern: Int64(word.first ?? 0)) }
        return word.reduce(Self.offset) { ($0 ^ UInt64(bitPattern: Int64($1))) &* Self.prime }
    }

    private static func separatesWords(_ byte: Int) -> Bool { (9...13).contains(byte) || byte == 32 || byte > 255 }

    /// FNV-1a over a word's bytes.  http://www.isthe.com/chongo/tech/comp/fnv/
    private static let offset: UInt64 = 0xcbf2_9ce4_8422_2325
    private static let prime: UInt64 = 0x100_0000_01b3

    /// The finaliser of SplitMix64: neighbouring hashes fall into unrelated buckets.
    private func mix(_ word: UInt64) -> UInt64 {
        var z = word
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return z ^ (z >> 31)
    }
}
