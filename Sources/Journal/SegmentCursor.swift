/// Reads a segment's records one after another, and finds the good ones after damage.
struct SegmentCursor {
    enum Step: Equatable {
        case record(JournalRecord)
        /// Bytes that are no record, before one that is.
        case damage(at: Int, bytes: Int)
        /// Bytes at the end that are no whole record, or not yet.
        case unfinished(at: Int, bytes: Int)
        case end
    }

    let name: String
    let header: SegmentHeader
    /// Where the next record begins.
    private(set) var offset = SegmentHeader.size
    private let input: any JournalInput
    private var window: [UInt8] = []
    private var windowStart = 0

    /// The least that is read at once, in bytes.
    private static let windowBytes = 256 << 10

    /// - Returns: nil where the file has no whole header.
    init?(_ name: String, in storage: any JournalStorage) throws(JournalError) {
        let input = try storage.open(name)
        guard let header = SegmentHeader(try input.bytes(at: 0, count: SegmentHeader.size)) else { return nil }
        (self.name, self.input, self.header) = (name, input, header)
    }

    /// Goes on at a place where a record begins.
    mutating func seek(to place: Int) { offset = place }

    var size: Int { get throws(JournalError) { try input.size } }

    mutating func next() throws(JournalError) -> Step {
        let size = try input.size, place = offset
        guard place < size else { return .end }
        if let record = try record(at: place, in: size) {
            offset += record.storedBytes
            return .record(record)
        }
        guard let found = try search(from: place + RecordLayout.alignment, to: size) else {
            return .unfinished(at: place, bytes: size - place)
        }
        offset = found
        return .damage(at: place, bytes: found - place)
    }

    /// The record at a place; nil where there is none that is whole.
    private mutating func record(at place: Int, in size: Int) throws(JournalError) -> JournalRecord? {
        guard try load(place, RecordLayout.header, in: size) else { return nil }
        let start = place - windowStart
        guard let content = window.withUnsafeBytes({ RecordLayout.contentBytes(ofHeader: UnsafeRawBufferPointer(rebasing: $0[start...])) }),
            try load(place, RecordLayout.header + content, in: size)
        else { return nil }
        let (first, salt) = (place - windowStart, header.salt)
        return window.withUnsafeBytes { RecordLayout.record(in: UnsafeRawBufferPointer(rebasing: $0[first...]), salt: salt) }
    }

    /// The place of the next whole record.
    private mutating func search(from start: Int, to size: Int) throws(JournalError) -> Int? {
        var place = start
        while place + RecordLayout.header <= size {
            guard try load(place, RecordLayout.header, in: size) else { return nil }
            let first = place - windowStart
            let hit = window.withUnsafeBytes { bytes in
                stride(from: first, through: bytes.count - RecordLayout.header, by: RecordLayout.alignment).first {
                    bytes.number($0, UInt32.self) == RecordLayout.marker
                }
            }
            guard let hit else {
                let passed = (window.count - RecordLayout.header - first) / RecordLayout.alignment + 1
                place += passed * RecordLayout.alignment
                continue
            }
            place = windowStart + hit
            if try record(at: place, in: size) != nil { return place }
            place += RecordLayout.alignment
        }
        return nil
    }

    /// Makes the window hold these bytes; false where the file has fewer.
    private mutating func load(_ place: Int, _ count: Int, in size: Int) throws(JournalError) -> Bool {
        if place >= windowStart, place + count <= windowStart + window.count { return true }
        guard count <= size - place else { return false }
        window = try input.bytes(at: place, count: min(max(count, Self.windowBytes), size - place))
        windowStart = place
        return window.count >= count
    }
}
