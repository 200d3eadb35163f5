/// The words of a vocabulary: maps words to tokens, and tokens to bytes. Words are kept in the spelling of the files (`ByteAlphabet`),
/// in which merges and added tokens refer to them.
struct TokenTable: Sendable {
    private var spellings: [UInt8] = []
    private var words: [(spelling: Range<Int>, token: Int32)] = []
    private var bytes: [UInt8] = []
    /// The range of each token's bytes; nil for an unused id.
    private var ranges: [Range<Int>?]
    /// A hash table with open addressing: indices into `words`, -1 for an empty slot.
    private var slots: [Int32]
    private let mask: Int

    /// For `count` words with ids below `size`.
    init(count: Int, size: Int) {
        ranges = Array(repeating: nil, count: size)
        let capacity = max(16, count * 2).nextPowerOfTwo
        slots = Array(repeating: -1, count: capacity)
        mask = capacity - 1
        words.reserveCapacity(count)
    }

    /// The number of different words.
    var count: Int { words.count }

    /// All ids are below this number.
    var size: Int { ranges.count }

    /// Every word in the spelling of its file, and its id.
    var spelled: [(word: String, token: Int)] {
        words.map { (String(decoding: spellings[$0.spelling], as: UTF8.self), Int($0.token)) }
    }

    /// Adds a word. For a word that is listed twice the last id is used, as in Hugging Face's tokenizers.
    /// - Returns: false if another word has the id.
    mutating func insert(_ word: UnsafeBufferPointer<UInt8>, as token: Int) -> Bool {
        let slot = slot(of: word)
        if slots[slot] >= 0 {
            let known = Int(slots[slot])
            if words[known].token == Int32(token) { return true }
            guard ranges[token] == nil else { return false }
            ranges[token] = ranges[Int(words[known].token)]
            ranges[Int(words[known].token)] = nil
            words[known].token = Int32(token)
            return true
        }
        guard ranges[token] == nil else { return false }
        slots[slot] = Int32(words.count)
        words.append((spellings.count..<spellings.count + word.count, Int32(token)))
        spellings.append(contentsOf: word)
        let start = bytes.count
        ByteAlphabet.append(word, to: &bytes)
        ranges[token] = start..<bytes.count
        return true
    }

    func token(of word: UnsafeBufferPointer<UInt8>) -> Int? {
        let slot = slots[slot(of: word)]
        return slot < 0 ? nil : Int(words[Int(slot)].token)
    }

    func token(of word: String) -> Int? {
        var word = word
        return word.withUTF8 { token(of: $0) }
    }

    func bytes(of token: Int) -> ArraySlice<UInt8>? {
        guard ranges.indices.contains(token), let range = ranges[token] else { return nil }
        return bytes[range]
    }

    /// The slot of the word, or the empty slot for it.
    private func slot(of word: UnsafeBufferPointer<UInt8>) -> Int {
        var slot = Int(truncatingIfNeeded: hash(of: word)) & mask
        while slots[slot] >= 0, !equal(word, words[Int(slots[slot])].spelling) { slot = (slot + 1) & mask }
        return slot
    }

    private func equal(_ word: UnsafeBufferPointer<UInt8>, _ range: Range<Int>) -> Bool {
        guard word.count == range.count else { return false }
        for i in 0..<word.count where word[i] != spellings[range.lowerBound + i] { return false }
        return true
    }
}

/// A fast, non-cryptographic hash of a word: eight bytes at a time, multiplied and folded.
func hash(of word: UnsafeBufferPointer<UInt8>) -> UInt64 {
    var hash = UInt64(truncatingIfNeeded: word.count)
    let raw = UnsafeRawBufferPointer(word)
    var position = 0
    while position + 8 <= word.count {
        hash = mixed(hash ^ raw.loadUnaligned(fromByteOffset: position, as: UInt64.self))
        position += 8
    }
    var rest: UInt64 = 0
    while position < word.count {
        rest = rest << 8 | UInt64(word[position])
        position += 1
    }
    return mixed(hash ^ rest)
}

@inline(__always)
func mixed(_ value: UInt64) -> UInt64 {
    let product = value.multipliedFullWidth(by: 0x9E37_79B9_7F4A_7C15)
    return product.high ^ product.low
}

extension Int {
    var nextPowerOfTwo: Int { self <= 1 ? 1 : 1 << (Int.bitWidth - (self - 1).leadingZeroBitCount) }
}
