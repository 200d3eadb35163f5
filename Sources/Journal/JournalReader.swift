/// Reads a journal's records in order, also while another process writes it: at the end `next` returns nil, and later what has come since.
///
/// A record that is damaged is reported with its place; those after it are found.
public struct JournalReader {
    public enum Entry: Equatable, Sendable {
        case record(JournalRecord)
        case damage(JournalDamage)
    }

    private let storage: any JournalStorage
    private var cursor: SegmentCursor?
    /// The names of segments whose damage as a whole has been reported.
    private var unreadable: Set<String> = []
    /// Ordinal of the newest record that was read or passed over.
    public private(set) var position: UInt64
    private var current: UInt64?

    /// - Parameter ordinal: reading begins with the first record after it.
    public init(_ storage: any JournalStorage, after ordinal: UInt64 = 0) {
        (self.storage, position) = (storage, ordinal)
    }

    /// The next record or damage; nil where there is none yet.
    public mutating func next() throws(JournalError) -> Entry? {
        // Whether a later segment was there before the current one's end was seen: then that end is final.
        var hasLater = false
        while true {
            guard cursor != nil else {
                guard try openNext() else { return nil }
                hasLater = false
                continue
            }
            switch try cursor?.next() {
            case .record(let record):
                // The first record of a segment has no ordinal of its own; a record that was written again is read once.
                guard record.type != 0, record.ordinal > position else { continue }
                position = record.ordinal
                return .record(record)
            case .damage(let place, let bytes):
                return damage(place, bytes, "\(bytes) bytes are no record")
            case .unfinished(let place, let bytes) where hasLater:
                defer { cursor = nil }
                return damage(place, bytes, "\(bytes) bytes at the end are no whole record")
            case .end where hasLater, nil: cursor = nil
            case .unfinished, .end:
                hasLater = try hasLaterSegment()
                if !hasLater, try !reopenWhereReplaced() { return nil }
            }
        }
    }

    private func damage(_ place: Int, _ bytes: Int, _ what: String) -> Entry {
        .damage(JournalDamage(segment: cursor?.name ?? "", offset: place, bytes: bytes, problem: what))
    }

    private func hasLaterSegment() throws(JournalError) -> Bool {
        SegmentName.segments(of: try storage.names()).contains { $0.first > current ?? 0 }
    }

    /// A segment that could not be brought to disk may have been written again under its name.
    private mutating func reopenWhereReplaced() throws(JournalError) -> Bool {
        guard let cursor, try storage.names().contains(cursor.name), let opened = try SegmentCursor(cursor.name, in: storage),
            opened.header != cursor.header
        else { return false }
        self.cursor = opened
        return true
    }

    /// Opens the segment after the current one, or that of the position. False where there is none.
    private mutating func openNext() throws(JournalError) -> Bool {
        let all = SegmentName.segments(of: try storage.names()).filter { !unreadable.contains($0.name) }
        let next = current.map { current in all.first { $0.first > current } } ?? all.last { $0.first <= position + 1 } ?? all.first
        guard let (name, first) = next, first != current else { return false }
        guard var opened = try SegmentCursor(name, in: storage) else {
            // A segment that is being begun has no header yet.
            guard name != all.last?.name else { return false }
            unreadable.insert(name)
            return true
        }
        if let place = SegmentIndex.read(of: name, in: storage)?.place(before: position + 1) { opened.seek(to: place) }
        (cursor, current) = (opened, first)
        return true
    }
}

/// Bytes of a segment that are no records.
public struct JournalDamage: Equatable, Sendable, Codable {
    public var segment: String
    /// Where they begin in the file, and how many they are.
    public var offset: Int
    public var bytes: Int
    public var problem: String
}
