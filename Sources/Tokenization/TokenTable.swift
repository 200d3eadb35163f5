/// The bytes of every token, and the token of given bytes.
struct TokenTable: Sendable {
    private var bytes: [UInt8] = []
    /// Where each token's bytes lie; nil where an id is not in use.
    private var ranges: [Range<Int>?]
    private var slots: [Int32]
    private let mask: Int

    /// For ids below `size`.
    init(size: Int) {
        ranges = Array(repeating: nil, count: size)
        let capacity = max(16, size * 2).nextPowerOfTwo
        slots = Array(repeating: -1, count: capacity)
        mask = capacity - 1
        bytes.reserveCapacity(size * 8)
    }

    var size: Int { ranges.count }

    /// False if the id is in use. Of two tokens with the same bytes, the first is the one that is found.
    mutating func insert(_ word: UnsafeBufferPointer<UInt8>, as token: Int) -> Bool {
        guard ranges[token] == nil else { return false }
        let range = bytes.count..<bytes.count + word.count
        bytes.append(contentsOf: word)
        ranges[token] = range
        let slot = slot(of: word)
        if slots[slot] < 0 { slots[slot] = Int32(token) }
        return true
    }

    func token(of word: UnsafeBufferPointer<UInt8>) -> Int? {
        let token = slots[slot(of: word)]
        return token < 0 ? nil : Int(token)
    }

    func bytes(of token: Int) -> ArraySlice<UInt8>? {
        guard ranges.indices.contains(token), let range = ranges[token] else { return nil }
        return bytes[range]
    }

    /// The slot that holds these bytes' token, or the empty one where it belongs.
    private func slot(of word: UnsafeBufferPointer<UInt8>) -> Int {
        var slot = Int(truncatingIfNeeded: hash(of: word)) & mask
        while slots[slot] >= 0, let range = ranges[Int(slots[slot])], !equal(word, range) { slot = (slot + 1) & mask }
        return slot
    }

    private func equal(_ word: UnsafeBufferPointer<UInt8>, _ range: Range<Int>) -> Bool {
        guard word.count == range.count else { return false }
        for i in 0..<word.count where word[i] != bytes[range.lowerBound + i] { return false }
        return true
    }
}

/// A quick hash of a word: eight bytes at a time, multiplied and folded.
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
