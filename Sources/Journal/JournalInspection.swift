/// What is in a journal, record by record, and what is wrong with it.
public struct JournalInspection: Sendable, Equatable, Codable {
    public struct Segment: Sendable, Equatable, Codable {
        public var name: String
        public var bytes: Int
        public var records: Int
        /// Ordinals of the first and the last record; 0 where it has none.
        public var first: UInt64
        public var last: UInt64
        /// When it was begun: nanoseconds since 1970; 0 where its header is damaged.
        public var begun: Int64
    }

    public var segments: [Segment] = []
    public var damage: [JournalDamage] = []
    /// Records, and how many were there again with an ordinal that is not above all before.
    public var records = 0
    public var repeated = 0
    public var bytes = 0

    /// Reads everything.
    /// - Parameter each: called with every good record, in order.
    /// - Throws: `JournalError` where a file cannot be read, or the error of `each`.
    public init(of storage: any JournalStorage, each: (JournalRecord) throws -> Void = { _ in }) throws {
        var newest: UInt64 = 0
        for (name, _) in SegmentName.segments(of: try storage.names()) {
            let size = try storage.open(name).size
            bytes += size
            guard var cursor = try SegmentCursor(name, in: storage) else {
                damage.append(JournalDamage(segment: name, offset: 0, bytes: size, problem: "the header is damaged"))
                segments.append(Segment(name: name, bytes: size, records: 0, first: 0, last: 0, begun: 0))
                continue
            }
            var segment = Segment(name: name, bytes: size, records: 0, first: 0, last: 0, begun: cursor.header.begun), reading = true
            while reading {
                switch try cursor.next() {
                case .record(let record) where record.type == 0: break
                case .record(let record) where record.ordinal <= newest: repeated += 1
                case .record(let record):
                    newest = record.ordinal
                    if segment.records == 0 { segment.first = newest }
                    segment.last = newest
                    segment.records += 1
                    try each(record)
                case .damage(let place, let bytes):
                    damage.append(JournalDamage(segment: name, offset: place, bytes: bytes, problem: "\(bytes) bytes are no record"))
                case .unfinished(let place, let bytes):
                    let what = "\(bytes) bytes at the end are no whole record"
                    damage.append(JournalDamage(segment: name, offset: place, bytes: bytes, problem: what))
                    reading = false
                case .end: reading = false
                }
            }
            records += segment.records
            segments.append(segment)
        }
    }

    /// Writes every damaged segment anew with its good records alone; the damaged file is kept beside it as `….damaged`. Nobody may be
    /// writing the journal.
    /// - Returns: the damage that was there.
    /// - Throws: `JournalError`; then each segment is as it was, or as it shall be.
    public static func repair(_ storage: any JournalStorage) throws(JournalError) -> [JournalDamage] {
        try finishRepairs(storage)
        let inspection: JournalInspection
        do {
            inspection = try JournalInspection(of: storage)
        } catch {
            throw error as? JournalError ?? JournalError("read", "the journal", "\(error)")
        }
        for name in Set(inspection.damage.map(\.segment)).sorted() { try repair(name, storage) }
        try storage.settle()
        return inspection.damage
    }

    private static func repair(_ name: String, _ storage: any JournalStorage) throws(JournalError) {
        guard var cursor = try SegmentCursor(name, in: storage) else { return try storage.rename(name, to: name + SegmentName.damaged) }
        let partial = name + SegmentName.partial
        try storage.remove(partial)
        let output = try storage.create(partial)
        defer { output.close() }
        try output.writeAll(cursor.header.bytes)
        var reading = true
        while reading {
            switch try cursor.next() {
            case .record(let record):
                var buffer: [UInt8] = []
                RecordLayout.append(record, salt: cursor.header.salt, to: &buffer)
                try output.writeAll(buffer)
            case .damage: break
            case .unfinished, .end: reading = false
            }
        }
        try output.sync()
        try storage.rename(name, to: name + SegmentName.damaged)
        try storage.rename(partial, to: name)
        try storage.remove(name + SegmentName.index)
    }

    /// A crash between the two renames of a repair has left a whole file under its temporary name.
    private static func finishRepairs(_ storage: any JournalStorage) throws(JournalError) {
        let names = try storage.names()
        for partial in names where partial.hasSuffix(SegmentName.partial) {
            let name = String(partial.dropLast(SegmentName.partial.utf8.count))
            guard !names.contains(name), names.contains(name + SegmentName.damaged) else { continue }
            try storage.rename(partial, to: name)
        }
    }
}
