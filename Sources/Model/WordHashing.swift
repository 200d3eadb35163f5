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
    func buckets(of tokens: some Sequence<Int>, limit: Int) -> [Int] {
        let words = hashes(of: tokens)
        let pairs = zip(words, words.dropFirst()).map { first, second in mix(first &* 31 &+ second) }
        return (words + pairs).prefix(limit).map { Int($0 % UInt64(buckets)) }
    }

    private func hashes(of tokens: some Sequence<Int>) -> [UInt64] {
        guard readsBytes else { return tokens.map { mix(UInt64(bitPattern: Int64($0))) } }
        var hashes: [UInt64] = []
        var word: UInt64?
        for token in tokens {
            if Self.separatesWords(token) {
                if let word { hashes.append(mix(word)) }
                word = nil
            } else {
                word = ((word ?? Self.offset) ^ UInt64(bitPattern: Int64(token))) &* Self.prime
            }
        }
        if let word { hashes.append(mix(word)) }
        return hashes
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
