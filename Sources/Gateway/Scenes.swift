import Schema
import Statistics

/// What was seen and said when moments were predicted: the newest picture of each session, and its words since the last prediction.
struct Scenes: Sendable {
    /// A picture as its publisher encoded it.
    struct Picture: Sendable, Equatable {
        var session: String
        /// image/jpeg or image/png
        var type: String
        var bytes: [UInt8]
    }

    private struct Newest: Sendable {
        var picture: (number: Int, picture: Picture)?
        var words = ""
    }

    /// The largest picture and the most characters of words that are shown.
    static let mostBytes = 512 << 10, mostWords = 240
    private static let sessions = 32, shown = 24

    private var newest = RecentTable<String, Newest>(capacity: sessions)
    private var pictures = RecentTable<Int, Picture>(capacity: shown)
    private var count = 0

    /// Takes a picture; one that is larger than `mostBytes`, or that browsers do not show, is not shown.
    mutating func see(_ bytes: [UInt8], format: String, in session: String) {
        var one = newest[session] ?? Newest()
        count &+= 1
        let isShown =
            bytes.count <= Self.mostBytes && ["image/jpeg", "image/png"].contains(format) && ReadingBatch.isContent(bytes, of: format)
        one.picture = isShown ? (count, Picture(session: session, type: format, bytes: bytes)) : nil
        newest.set(one, for: session)
    }

    /// Takes words.
    mutating func hear(_ words: String, in session: String) {
        var one = newest[session] ?? Newest()
        let line = (one.words + " " + words).split(whereSeparator: \.isWhitespace).joined(separator: " ")
        one.words = line.printable(atMost: Self.mostWords)
        newest.set(one, for: session)
    }

    /// What a moment of a session that is predicted now has shown and said.
    /// - Returns: the number of its picture in `picture(_:)`, and its words.
    mutating func predicted(in session: String) -> (picture: Int?, words: String) {
        guard var one = newest[session] else { return (nil, "") }
        if let (number, picture) = one.picture { pictures.set(picture, for: number) }
        defer {
            one.words = ""
            newest.set(one, for: session)
        }
        return (one.picture?.number, one.words)
    }

    /// A picture of one of the newest moments.
    func picture(_ number: Int) -> Picture? { pictures[number] }
}
