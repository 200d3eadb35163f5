/// The state of reading a text: its last bytes, words and lines, and the bits of the next byte that are already known.
struct Reading {
    /// A one followed by the known bits of the next byte: 1 before its first bit, 128…255 before its last.
    var partial = 1
    /// The number of bytes read.
    private(set) var count = 0
    /// The last eight bytes, the newest in the lowest bits.
    private(set) var recent: UInt64 = 0
    /// The kinds of the last sixteen bytes, four bits each, the newest in the lowest bits.
    private(set) var kinds: UInt64 = 0
    private(set) var words = Words()
    private(set) var lines = Lines()
    /// The last punctuation mark.
    private(set) var mark: UInt8 = 0
    private let ring: Memory<UInt8>

    /// - Parameter capacity: the number of last bytes that are kept; a power of two.
    init(capacity: Int) {
        precondition(capacity > 0 && capacity & (capacity - 1) == 0, "a ring of \(capacity) bytes is not a power of two")
        ring = Memory(capacity)
    }

    /// The number of known bits of the next byte.
    @inline(__always)
    var depth: Int { Int.bitWidth - 1 - partial.leadingZeroBitCount }

    /// The byte at a position in the text, among the last `capacity`.
    @inline(__always)
    subscript(position: Int) -> UInt8 { ring.base[position & (ring.count - 1)] }

    @inline(__always)
    func holds(_ position: Int) -> Bool { position >= 0 && count - position < ring.count }

    mutating func append(_ byte: UInt8) {
        ring.base[count & (ring.count - 1)] = byte
        count += 1
        partial = 1
        recent = recent << 8 | UInt64(byte)
        let kind = Kind(byte)
        kinds = kinds << 4 | UInt64(kind.rawValue)
        if kind.rawValue >= Kind.stop.rawValue { mark = byte }
        if words.append(byte, kind) { lines.begin(words.last) }
        lines.append(byte)
    }
}

/// Coarse character classes of bytes, for languages written with spaces.
enum Kind: UInt8 {
    case lower = 1, upper, other8, space, newline, digit, stop, comma, apostrophe, quote, hyphen, other

    init(_ byte: UInt8) {
        self =
            switch byte {
            case 97...122: .lower
            case 65...90: .upper
            case 128...255: .other8
            case 32: .space
            case 10: .newline
            case 48...57: .digit
            case 33, 46, 63: .stop
            case 44, 58, 59: .comma
            case 39: .apostrophe
            case 34, 40, 41: .quote
            case 45: .hyphen
            default: .other
            }
    }

    /// Bytes above 127 count as letters: in UTF-8 they are accented letters and other alphabets.
    @inline(__always)
    var isLetter: Bool { rawValue <= Kind.other8.rawValue }
}

/// The current word and those before it, as hashes of their letters in lower case.
struct Words {
    /// 0 between words.
    private(set) var current: UInt64 = 0
    private(set) var last: UInt64 = 0
    private(set) var secondLast: UInt64 = 0
    private(set) var thirdLast: UInt64 = 0
    /// The number of bytes of the current word so far.
    private(set) var length = 0
    /// The last three bytes, at most, between the current word and the one before.
    private(set) var gap: UInt64 = 0

    /// - Returns: whether the byte ended a word.
    mutating func append(_ byte: UInt8, _ kind: Kind) -> Bool {
        if kind.isLetter {
            current = hash(current, UInt64(kind == .upper ? byte + 32 : byte) + 1)
            length += 1
            return false
        }
        guard length > 0 else {
            gap = (gap << 8 | UInt64(byte)) & 0xff_ffff
            return false
        }
        (last, secondLast, thirdLast) = (current, last, secondLast)
        (current, length, gap) = (0, 0, UInt64(byte))
        return true
    }
}

/// The current line and the one before it.
struct Lines {
    /// The number of bytes of the line so far.
    private(set) var column = 0
    private(set) var previousLength = 0
    /// The hash of the line so far.
    private(set) var current: UInt64 = 0
    /// The hash of the line's first word; 0 until the word is complete.
    private(set) var first: UInt64 = 0
    /// The hash of the first word of the line before.
    private(set) var previousFirst: UInt64 = 0

    mutating func begin(_ word: UInt64) {
        if first == 0 { first = word }
    }

    mutating func append(_ byte: UInt8) {
        if byte == 10 {
            (previousLength, previousFirst) = (column, first)
            (column, current, first) = (0, 0, 0)
        } else {
            column += 1
            current = hash(current, UInt64(byte) + 1)
        }
    }
}
