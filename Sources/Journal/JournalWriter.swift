import Statistics

/// Writes records to a journal and makes them durable. One thread uses it; `Journal` gives it one.
///
/// Opening it finds what a crash has left: the last segment's torn end is cut off, what it holds is brought to disk, and a new segment is
/// begun.
public struct JournalWriter {
    private final class Segment {
        let name: String
        let header: SegmentHeader
        let output: any JournalOutput
        var size = 0
        /// What is known to be on disk; 0: not even the file.
        var durable = 0
        var newest: UInt64
        var index: SegmentIndex

        init(_ name: String, _ header: SegmentHeader, _ output: any JournalOutput, indexBytes: Int) {
            (self.name, self.header, self.output) = (name, header, output)
            (newest, index) = (header.first.clampedSubtracting(1), SegmentIndex(spacing: indexBytes))
        }
    }

    /// A segment that has ended.
    private struct Sealed {
        let name: String
        let first: UInt64
        let begun: Int64
        let size: Int
    }

    private let storage: any JournalStorage
    private let bounds: JournalBounds
    private var random: any RandomNumberGenerator
    private var segment: Segment?
    private var sealed: [Sealed] = []
    /// A segment whose last writes failed: nothing more is written to it, and it is cut to what is known to be on disk.
    private var abandoned: (name: String, first: UInt64, begun: Int64, size: Int)?
    /// Marks of records that have been written and are not on disk yet.
    private var unsettled: [(key: [UInt8], mark: [UInt8])] = []

    /// Ordinal of the newest record that is on disk.
    public private(set) var durable: UInt64 = 0
    /// The newest value of each key among the records on disk.
    public private(set) var marks: RecentTable<[UInt8], [UInt8]>
    /// What was cut off, or is damaged, in the last segment that a crash has left.
    public private(set) var found: [JournalDamage] = []
    /// Ordinal of the newest record that was found when it was opened; 0 where there was none. `durable` may be greater: no number up to it
    /// is given again.
    public private(set) var recovered: UInt64 = 0
    /// The ordinal of the first record to come. It leaves out as many as may have been given to records that never reached the disk.
    public private(set) var next: UInt64 = 1

    /// Segments without records that opening has found: to be removed, or put aside under another name, when the next one is on disk. Until
    /// then their names say which ordinals may have been given.
    private var emptied: [(name: String, newName: String?)] = []

    /// Bytes that are handed to the system at once.
    private static let bufferBytes = 4 << 20

    /// Recovers what is there, and begins a segment, so that a journal that gives ordinals is known on disk. Where older ones take all of
    /// the room and are needed, it gets its first record when there is room again.
    /// - Parameters:
    ///   - now: nanoseconds since 1970.
    ///   - released: as of `commit`.
    ///   - random: gives each segment its salt.
    /// - Throws: `JournalError` where the directory cannot be read or written.
    public init(
        _ storage: any JournalStorage, _ bounds: JournalBounds, at now: Int64, released: UInt64 = .max,
        random: any RandomNumberGenerator = SystemRandomNumberGenerator()
    ) throws(JournalError) {
        (self.storage, self.bounds, self.random) = (storage, bounds, random)
        marks = RecentTable(capacity: bounds.positions)
        let names = try storage.names(), failed = names.filter { $0.hasSuffix(SegmentName.failed) }
        var segments = SegmentName.segments(of: names)
        let isNew = segments.isEmpty && failed.isEmpty
        while let (name, first) = segments.last, try !recover(name, first) { segments.removeLast() }
        for (name, first) in segments.dropLast() {
            let cursor = try SegmentCursor(name, in: storage)
            let size = if let cursor { try cursor.size } else { try storage.open(name).size }
            sealed.append(Sealed(name: name, first: first, begun: cursor?.header.begun ?? 0, size: size))
        }
        sealed.sort { $0.first < $1.first }
        // Ordinals up to the first of a segment that failed may have been given, also where the one after it never came to disk.
        for name in failed {
            if let first = SegmentName.first(String(name.dropLast(SegmentName.failed.utf8.count))) {
                durable = max(durable, first.clampedSubtracting(1))
            }
        }
        if !isNew { next = durable.clampedAdding(UInt64(bounds.waitingRecords) + 1) }
        _ = try removeOldest(at: now, released: released)
        try begin(with: next, at: now)
        try sync()
        for name in failed { try storage.remove(name) }
        for (name, newName) in emptied {
            if let newName { try storage.rename(name, to: newName) } else { try storage.remove(name) }
        }
        emptied = []
    }

    /// Bytes of all segments.
    public var bytes: Int { sealedBytes + (segment?.size ?? 0) }
    private var sealedBytes: Int { sealed.reduce(0) { $0 + $1.size } }
    /// The number of segments.
    public var segments: Int { sealed.count + (segment == nil ? 0 : 1) }

    // MARK: Recovery

    /// Reads the last segment to its end, cuts off what is torn, and brings it to disk.
    /// - Returns: false where it holds no record, and is to be removed or put aside.
    private mutating func recover(_ name: String, _ first: UInt64) throws(JournalError) -> Bool {
        durable = max(durable, first.clampedSubtracting(1))
        guard var cursor = try SegmentCursor(name, in: storage) else {
            let size = try storage.open(name).size
            if size > SegmentHeader.size {
                found.append(JournalDamage(segment: name, offset: 0, bytes: size, problem: "the header is damaged"))
                putAside(name, first, bytes: size)
            } else {
                emptied.append((name, nil))
            }
            return false
        }
        let known = found.count
        var newest: UInt64?, reading = true
        while reading {
            switch try cursor.next() {
            case .record(let record) where record.type == 0:
                for (key, mark) in Marks.read(record.body) ?? [] { marks.set(mark, for: key) }
            case .record(let record):
                newest = max(newest ?? 0, record.ordinal)
                if !record.key.isEmpty { marks.set(record.mark, for: record.key) }
            case .damage(let place, let bytes):
                found.append(JournalDamage(segment: name, offset: place, bytes: bytes, problem: "\(bytes) bytes are no record"))
            case .unfinished(let place, let bytes):
                found.append(JournalDamage(segment: name, offset: place, bytes: bytes, problem: "a torn end of \(bytes) bytes was cut off"))
                reading = false
            case .end: reading = false
            }
        }
        durable = max(durable, newest ?? 0)
        recovered = max(recovered, newest ?? 0)
        guard newest != nil else {
            if found.count > known { putAside(name, first, bytes: try cursor.size) } else { emptied.append((name, nil)) }
            return false
        }
        try storage.cut(name, to: cursor.offset)
        sealed.append(Sealed(name: name, first: first, begun: cursor.header.begun, size: cursor.offset))
        return true
    }

    /// Keeps a file of which nothing can be read; no number that it may have used is used again.
    private mutating func putAside(_ name: String, _ first: UInt64, bytes: Int) {
        durable = max(durable, first.clampedAdding(UInt64(bytes / RecordLayout.header)))
        emptied.append((name, name + SegmentName.damaged))
    }

    // MARK: Writing

    /// Brings records to disk. Where it throws, those up to `durable` are there; the others may be given again with the same ordinals, and
    /// are then written to a new segment: a descriptor that has failed is not used again.
    /// - Parameters:
    ///   - records: their ordinals rise, above all before.
    ///   - now: nanoseconds since 1970.
    ///   - released: records up to this ordinal are needed by nobody: only they are removed to stay within the bounds.
    public mutating func commit(_ records: [JournalRecord], at now: Int64, released: UInt64) throws(JournalError) {
        if let segment, segment.newest < segment.header.first, !records.isEmpty { try makeRoom(at: now, released: released) }
        do throws(JournalError) {
            try finishAbandoned()
            var index = 0
            while index < records.count {
                if let segment, segment.size >= bounds.segmentBytes { try seal() }
                if segment == nil {
                    try makeRoom(at: now, released: released)
                    try begin(with: records[index].ordinal, at: now)
                }
                try write(records, from: &index)
            }
            try sync()
        } catch {
            abandon()
            throw error
        }
    }

    /// Writes as many records as fit into the buffer and the segment; at least one.
    private mutating func write(_ records: [JournalRecord], from index: inout Int) throws(JournalError) {
        guard let segment else { return }
        var buffer: [UInt8] = []
        repeat {
            let record = records[index]
            segment.index.note(record.ordinal, at: segment.size + buffer.count)
            RecordLayout.append(record, salt: segment.header.salt, to: &buffer)
            segment.newest = record.ordinal
            if !record.key.isEmpty { unsettled.append((record.key, record.mark)) }
            index += 1
        } while index < records.count && buffer.count < Self.bufferBytes && segment.size + buffer.count < bounds.segmentBytes
        try segment.output.writeAll(buffer)
        segment.size += buffer.count
    }

    private mutating func sync() throws(JournalError) {
        guard let current = segment, current.durable < current.size else { return }
        try current.output.sync()
        if current.durable == 0 { try storage.settle() }
        current.durable = current.size
        if current.newest >= current.header.first { durable = max(durable, current.newest) }
        for (key, mark) in unsettled { marks.set(mark, for: key) }
        unsettled = []
    }

    /// Ends the segment.
    private mutating func seal() throws(JournalError) {
        try sync()
        guard let current = segment else { return }
        current.output.close()
        current.index.write(of: current.name, in: storage)
        sealed.append(Sealed(name: current.name, first: current.header.first, begun: current.header.begun, size: current.size))
        segment = nil
    }

    /// Begins a segment with the newest value of each key.
    private mutating func begin(with first: UInt64, at now: Int64) throws(JournalError) {
        let name = SegmentName.of(first: first)
        let header = SegmentHeader(first: first, begun: now, salt: UInt32.random(in: .min ... .max, using: &random))
        let output = try storage.create(name)
        segment = Segment(name, header, output, indexBytes: bounds.indexBytes)
        var body: [UInt8] = [], buffer = header.bytes
        for (key, mark) in marks { Marks.append(key, mark, to: &body) }
        RecordLayout.append(JournalRecord(ordinal: first.clampedSubtracting(1), type: 0, body: body), salt: header.salt, to: &buffer)
        try output.writeAll(buffer)
        segment?.size = buffer.count
    }

    /// Throws where there is no room for another segment.
    private mutating func makeRoom(at now: Int64, released: UInt64) throws(JournalError) {
        guard try removeOldest(at: now, released: released) else {
            throw JournalError("begin a segment in", "the journal", "its \(sealedBytes) bytes are all needed, by a checkpoint or by fuse")
        }
    }

    /// Removes segments that are beyond the bounds and that nobody needs.
    /// - Returns: whether there is room for another.
    private mutating func removeOldest(at now: Int64, released: UInt64) throws(JournalError) -> Bool {
        let age = Int64(nanosecondsIn: bounds.age)
        while sealed.count > 1 {
            let (oldest, next) = (sealed[0], sealed[1])
            let isOver = sealedBytes > bounds.bytes - bounds.segmentBytes || now.clampedSubtracting(next.begun) > age
            guard isOver, next.first.clampedSubtracting(1) <= released else { break }
            try storage.remove(oldest.name)
            try storage.remove(oldest.name + SegmentName.index)
            sealed.removeFirst()
        }
        return sealedBytes <= bounds.bytes - bounds.segmentBytes || sealed.count <= 1
    }

    // MARK: Failure

    private mutating func abandon() {
        guard let current = segment else { return }
        current.output.close()
        let hasRecords = durable >= current.header.first
        abandoned = (current.name, current.header.first, current.header.begun, hasRecords ? current.durable : 0)
        (segment, unsettled) = (nil, [])
    }

    /// Cuts the abandoned segment to what is known to be on disk, so that no record is there twice.
    private mutating func finishAbandoned() throws(JournalError) {
        guard let (name, first, begun, size) = abandoned else { return }
        if size > 0 {
            try storage.cut(name, to: size)
            sealed.append(Sealed(name: name, first: first, begun: begun, size: size))
        } else {
            // Its name is free for the next. That there was a journal is still known.
            try storage.rename(name, to: name + SegmentName.failed)
        }
        abandoned = nil
    }

    /// Ends writing; what was committed is on disk.
    public mutating func close() {
        segment?.output.close()
        if let current = segment { current.index.write(of: current.name, in: storage) }
        segment = nil
    }
}
