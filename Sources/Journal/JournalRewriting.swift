/// Copies a journal with other records in the place of some.
public enum JournalRewriting {
    /// Writes every segment of a journal anew into another directory, under its name and with the ordinals of its records. Damaged bytes and
    /// the files beside the segments stay behind.
    /// - Parameters:
    ///   - source: nobody may be writing it.
    ///   - destination: holds no segment.
    ///   - keepsMark: whether the position of a key is kept.
    ///   - change: the record that stands in the place of another; its ordinal is the other's.
    /// - Throws: `JournalError` where a file cannot be read or written, or the error of `change`.
    public static func copy(
        _ source: any JournalStorage, to destination: any JournalStorage, keepsMark: (_ key: [UInt8]) -> Bool,
        change: (JournalRecord) throws -> JournalRecord
    ) throws {
        for (name, _) in SegmentName.segments(of: try source.names()) {
            // A segment without a header holds nothing that can be read.
            guard var cursor = try SegmentCursor(name, in: source) else { continue }
            let output = try destination.create(name)
            defer { output.close() }
            try output.writeAll(cursor.header.bytes)
            var reading = true
            while reading {
                switch try cursor.next() {
                case .record(let record):
                    var new = record.type == 0 ? Self.marks(record, keepsMark) : try change(record)
                    new.ordinal = record.ordinal
                    var buffer: [UInt8] = []
                    RecordLayout.append(new, salt: cursor.header.salt, to: &buffer)
                    try output.writeAll(buffer)
                case .damage: break
                case .unfinished, .end: reading = false
                }
            }
            try output.sync()
        }
        try destination.settle()
    }

    private static func marks(_ record: JournalRecord, _ keepsMark: ([UInt8]) -> Bool) -> JournalRecord {
        var kept = record
        kept.body = []
        for (key, mark) in Marks.read(record.body) ?? [] where keepsMark(key) { Marks.append(key, mark, to: &kept.body) }
        return kept
    }
}
