import Files

/// A file of the journal: a header, written twice, and records.
///
///     0  8  “ACCRJNL1”
///     8  8  ordinal of the first record, little-endian as all numbers
///     16 8  when it was begun: nanoseconds since 1970
///     24 4  salt of its records' checksums
///     28 4  CRC-32C of these 28 bytes
///     32 32 the same again
///     64    records: first one of type 0 with the newest value of each key before the segment, then the caller's
struct SegmentHeader: Equatable {
    var first: UInt64
    var begun: Int64
    var salt: UInt32

    static let size = 64
    private static let magic = Array("ACCRJNL1".utf8)

    var bytes: [UInt8] {
        var bytes = Self.magic
        bytes.append(littleEndian: first)
        bytes.append(littleEndian: begun)
        bytes.append(littleEndian: salt)
        bytes.append(littleEndian: CRC32C.checksum(of: bytes))
        return bytes + bytes
    }

    init(first: UInt64, begun: Int64, salt: UInt32) { (self.first, self.begun, self.salt) = (first, begun, salt) }

    /// The header of a segment; nil where neither copy is whole.
    init?(_ bytes: [UInt8]) {
        let copies = [0, Self.size / 2].filter { $0 + Self.size / 2 <= bytes.count }
        let good = copies.first { start in
            let copy = bytes[start..<start + 28]
            guard copy.starts(with: Self.magic) else { return false }
            return bytes.withUnsafeBytes { $0.number(start + 28, UInt32.self) } == CRC32C.checksum(of: copy)
        }
        guard let good else { return nil }
        self = bytes.withUnsafeBytes {
            SegmentHeader(
                first: $0.number(good + 8, UInt64.self), begun: $0.number(good + 16, Int64.self), salt: $0.number(good + 24, UInt32.self))
        }
    }
}

/// The names of a journal's files.
enum SegmentName {
    static let suffix = ".journal", index = ".index", damaged = ".damaged", partial = ".partial", failed = ".failed"
    private static let digits = 20

    static func of(first ordinal: UInt64) -> String {
        let number = String(ordinal)
        return String(repeating: "0", count: digits - number.count) + number + suffix
    }

    /// The ordinal of the first record of the segment of this name; nil where it is none's.
    static func first(_ name: String) -> UInt64? {
        guard name.hasSuffix(suffix), name.utf8.count == digits + suffix.utf8.count else { return nil }
        return UInt64(name.prefix(digits))
    }

    /// The segments among the files of a directory, oldest first.
    static func segments(of names: [String]) -> [(name: String, first: UInt64)] {
        names.compactMap { name in first(name).map { (name, $0) } }.sorted { $0.1 < $1.1 }
    }
}

/// The newest value of each key, in the order in which they were set, as the body of a segment's first record.
enum Marks {
    static func append(_ key: [UInt8], _ mark: [UInt8], to body: inout [UInt8]) {
        body.append(littleEndian: UInt16(key.count))
        body.append(littleEndian: UInt16(mark.count))
        body += key
        body += mark
    }

    /// Nil where the body is none of marks.
    static func read(_ body: [UInt8]) -> [(key: [UInt8], mark: [UInt8])]? {
        var found: [(key: [UInt8], mark: [UInt8])] = [], place = 0
        while place < body.count {
            guard place + 4 <= body.count else { return nil }
            let (key, mark) = body.withUnsafeBytes { (Int($0.number(place, UInt16.self)), Int($0.number(place + 2, UInt16.self))) }
            place += 4
            guard place + key + mark <= body.count else { return nil }
            found.append((Array(body[place..<place + key]), Array(body[place + key..<place + key + mark])))
            place += key + mark
        }
        return found
    }
}
