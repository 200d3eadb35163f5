/// A bounded cache of the tokens of words. When it is full, it is emptied.
struct WordCache: Sendable {
    /// Slots of the hash table, of which at most half are used.
    static let capacity = 1 << 15
    /// Longer words are not cached, in bytes.
    static let longestWord = 64

    private struct Entry {
        var hash: UInt64 = 0
        var word: UInt32 = 0
        var tokens: UInt32 = 0
        var wordCount: UInt8 = 0
        var tokenCount: UInt8 = 0
    }

    private var entries: [Entry] = []
    private var words: [UInt8] = []
    private var tokens: [Int32] = []
    private var count = 0

    /// Appends the word's tokens to `output` if they are cached, and returns whether they are.
    @inline(__always)
    func append(_ word: UnsafeBufferPointer<UInt8>, hash: UInt64, to output: inout [Int]) -> Bool {
        guard !entries.isEmpty, word.count <= Self.longestWord else { return false }
        let entry = entries[slot(of: word, hash: hash)]
        guard entry.wordCount > 0 else { return false }
        for i in 0..<Int(entry.tokenCount) { output.append(Int(tokens[Int(entry.tokens) + i])) }
        return true
    }

    mutating func insert(_ word: UnsafeBufferPointer<UInt8>, hash: UInt64, _ newTokens: ArraySlice<Int>) {
        guard word.count <= Self.longestWord else { return }
        if entries.isEmpty || count == Self.capacity / 2 { empty() }
        entries[slot(of: word, hash: hash)] = Entry(
            hash: hash, word: UInt32(words.count), tokens: UInt32(tokens.count), wordCount: UInt8(word.count),
            tokenCount: UInt8(newTokens.count))
        words.append(contentsOf: word)
        for token in newTokens { tokens.append(Int32(token)) }
        count += 1
    }

    private mutating func empty() {
        entries = Array(repeating: Entry(), count: Self.capacity)
        words.removeAll(keepingCapacity: true)
        tokens.removeAll(keepingCapacity: true)
        count = 0
    }

    /// The slot of the word, or the empty slot for it.
    @inline(__always)
    private func slot(of word: UnsafeBufferPointer<UInt8>, hash: UInt64) -> Int {
        var slot = Int(truncatingIfNeeded: hash) & (Self.capacity - 1)
        while entries[slot].wordCount > 0, !holds(entries[slot], word, hash) { slot = (slot + 1) & (Self.capacity - 1) }
        return slot
    }

    @inline(__always)
    private func holds(_ entry: Entry, _ word: UnsafeBufferPointer<UInt8>, _ hash: UInt64) -> Bool {
        guard entry.hash == hash, Int(entry.wordCount) == word.count else { return false }
        for i in 0..<word.count where words[Int(entry.word) + i] != word[i] { return false }
        return true
    }
}
