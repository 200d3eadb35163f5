import Statistics

/// The windows of a text: in every epoch each window once, in a random order that depends on the seed and the epoch.
///
/// So the position is given by an epoch and an index in it.
struct TextWindows {
    struct Cursor: Codable, Sendable, Equatable {
        var epoch = 0
        var place = 0
    }

    private let tokens: [Int]
    private let time: Int
    private let seed: UInt64
    private var order: [Int] = []
    private(set) var cursor = Cursor()

    /// - Parameter time: tokens that a window reads; it has one more, the last target.
    init(_ tokens: [Int], time: Int, seed: UInt64) {
        precondition(tokens.count > 1, "a text of \(tokens.count) tokens has no token to predict")
        self.tokens = tokens
        self.time = time
        self.seed = seed
        go(to: Cursor())
    }

    /// The number of windows of an epoch.
    var count: Int { (tokens.count - 2) / time + 1 }

    mutating func go(to cursor: Cursor) {
        self.cursor = cursor
        var random = RandomSource(seed: seed &+ UInt64(cursor.epoch) &* 0x9E37_79B9_7F4A_7C15)
        order = Array(0..<count)
        random.shuffle(&order)
    }

    mutating func next() -> ArraySlice<Int> {
        if cursor.place >= count { go(to: Cursor(epoch: cursor.epoch + 1)) }
        let start = order[cursor.place] * time
        cursor.place += 1
        return tokens[start..<min(tokens.count, start + time + 1)]
    }
}
