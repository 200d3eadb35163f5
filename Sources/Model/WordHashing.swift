/// Words and pairs of neighbouring words, hashed into buckets: single words tell much before a model of letters has
/// learned to read.  Feature hashing: https://arxiv.org/abs/0902.2206
struct WordHashing: Sendable {
    let buckets: Int
    /// Ids of bytes that part words; nil where every token counts as a word.
    private let readsBytes: Bool

    /// A vocabulary of a few hundred is one of bytes, whose words lie between white space.
    init(buckets: Int, vocabulary: Int) {
        self.buckets = buckets
        readsBytes = vocabulary <= 512
    }

    /// Buckets of all words, then of all pairs, at most `limit`.
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
            if Self.partsWords(token) {
                if let word { hashes.append(mix(word)) }
                word = nil
            } else {
                word = ((word ?? Self.offset) ^ UInt64(bitPattern: Int64(token))) &* Self.prime
            }
        }
        if let word { hashes.append(mix(word)) }
        return hashes
    }

    private static func partsWords(_ byte: Int) -> Bool { (9...13).contains(byte) || byte == 32 || byte > 255 }

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
