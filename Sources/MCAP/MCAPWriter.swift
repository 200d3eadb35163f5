import Files

/// Writes an MCAP file: messages in compressed chunks with their indexes, and at its end a summary of all.  https://mcap.dev/spec
///
/// Every chunk is written whole, so that what was flushed is readable although the process is killed.
public final class MCAPWriter {
    /// Sizes of what is written.
    public struct Options: Sendable {
        /// A chunk is written once its messages have this many bytes.
        public var chunkBytes = 1 << 20
        public var compression = MCAPCompression.zstd
        /// The greatest size of the summary's index of chunks, in bytes: some million chunks.
        public var indexBytes = 1 << 27

        public init() {}
    }

    private let file: OutputFile
    private let options: Options
    private var offset: UInt64 = 0
    private var checksum = CRC32()

    // The chunk that is being filled.
    private var chunk: [UInt8] = []
    private var chunkTimes: ClosedRange<UInt64>?
    private var entries: [UInt16: [(time: UInt64, offset: UInt64)]] = [:]

    // The summary.
    private var schemas: [[UInt8]] = []
    private var schemaNumbers: [MCAPSchema: UInt16] = [:]
    private var channels: [[UInt8]] = []
    private var chunkIndexes: [UInt8] = []
    private var metadataIndexes: [UInt8] = []
    private var counts: [UInt16: UInt64] = [:]
    private var chunkCount: UInt32 = 0, metadataCount: UInt32 = 0
    private var times: ClosedRange<UInt64>?

    public var path: String { file.path }
    /// The number of messages written.
    public var messageCount: UInt64 { counts.values.reduce(0, &+) }

    /// Creates a file.
    /// - Parameters:
    ///   - profile: requirements that the file's content meets; empty: none.
    ///   - library: the name of the writer.
    /// - Throws: `FileError`, also if there is already a file.
    public init(creating path: String, profile: String = "", library: String, options: Options = Options()) throws(FileError) {
        file = try OutputFile(creating: path)
        self.options = options
        try write(
            magic
                + RecordBuilder.record(.header) {
                    $0.add(profile)
                    $0.add(library)
                })
    }

    /// Adds a record of names and values to the file.
    /// - Throws: `FileError`.
    public func add(metadata: [String: String], name: String) throws(FileError) {
        try flush()
        let record = RecordBuilder.record(.metadata) {
            $0.add(name)
            $0.add(metadata)
        }
        metadataCount += 1
        metadataIndexes += RecordBuilder.record(.metadataIndex) {
            $0.add(offset)
            $0.add(UInt64(record.count))
            $0.add(name)
        }
        try write(record)
    }

    /// Adds a channel; its schema is stored once for all channels with an equal one.
    /// - Throws: `full`, after 65,535 channels.
    public func addChannel(
        topic: String, encoding: String, schema: MCAPSchema?, metadata: [String: String] = [:]
    ) throws(MCAPError) -> UInt16 {
        guard let id = UInt16(exactly: channels.count + 1) else { throw MCAPError(.full, "more than \(UInt16.max) channels") }
        let number = try schema.map { schema throws(MCAPError) in try self.number(of: schema) } ?? 0
        let record = RecordBuilder.record(.channel) {
            $0.add(id)
            $0.add(number)
            $0.add(topic)
            $0.add(encoding)
            $0.add(metadata)
        }
        channels.append(record)
        chunk += record
        counts[id] = 0
        return id
    }

    private func number(of schema: MCAPSchema) throws(MCAPError) -> UInt16 {
        if let known = schemaNumbers[schema] { return known }
        guard let number = UInt16(exactly: schemas.count + 1) else { throw MCAPError(.full, "more than \(UInt16.max) schemas") }
        let record = RecordBuilder.record(.schema) {
            $0.add(number)
            $0.add(schema.name)
            $0.add(schema.encoding)
            $0.add(sized: schema.data)
        }
        schemaNumbers[schema] = number
        schemas.append(record)
        chunk += record
        return number
    }

    /// Adds a message, and writes the chunk if it is full.
    /// - Parameters:
    ///   - channel: the number of a channel of this file.
    ///   - logTime: when it was recorded, in nanoseconds.
    ///   - publishTime: when it was published; nil: when it was recorded.
    /// - Throws: `FileError`; `MCAPError` where the index is full.
    public func add(
        _ data: [UInt8], to channel: UInt16, sequence: UInt32, logTime: UInt64, publishTime: UInt64? = nil
    ) throws {
        precondition(counts[channel] != nil, "channel \(channel) is none of this file")
        entries[channel, default: []].append((logTime, UInt64(chunk.count)))
        chunk += RecordBuilder.record(.message) {
            $0.add(channel)
            $0.add(sequence)
            $0.add(logTime)
            $0.add(publishTime ?? logTime)
            $0.add(raw: data)
        }
        counts[channel, default: 0] += 1
        chunkTimes = Self.joined(chunkTimes, logTime...logTime)
        if chunk.count >= options.chunkBytes { try flushChunk() }
    }

    private static func joined(_ range: ClosedRange<UInt64>?, _ other: ClosedRange<UInt64>) -> ClosedRange<UInt64> {
        range.map { min($0.lowerBound, other.lowerBound)...max($0.upperBound, other.upperBound) } ?? other
    }

    /// Writes the chunk that is being filled, so that a crash of this process does not lose it.
    /// - Throws: `FileError`.
    public func flush() throws(FileError) {
        do {
            try flushChunk()
        } catch let error as FileError {
            throw error
        } catch {
            throw FileError(file.path, .cannotWrite("\(error)"))
        }
    }

    private func flushChunk() throws {
        guard !chunk.isEmpty else { return }
        guard chunkIndexes.count < options.indexBytes else {
            throw MCAPError(.full, "its index has more than \(options.indexBytes) bytes; begin another file")
        }
        let content = chunk, span = chunkTimes ?? 0...0
        let compressed = try options.compression.compress(content)
        let record = RecordBuilder.record(.chunk) {
            $0.add(span.lowerBound)
            $0.add(span.upperBound)
            $0.add(UInt64(content.count))
            $0.add(CRC32.of(content))
            $0.add(options.compression.rawValue)
            $0.add(UInt64(compressed.count))
            $0.add(raw: compressed)
        }
        let start = offset
        var indexes: [UInt8] = [], offsets: [UInt16: UInt64] = [:]
        for (channel, list) in entries.sorted(by: { $0.key < $1.key }) {
            offsets[channel] = start + UInt64(record.count + indexes.count)
            indexes += RecordBuilder.record(.messageIndex) {
                var array = RecordBuilder()
                for entry in list.sorted(by: { $0.time < $1.time }) {
                    array.add(entry.time)
                    array.add(entry.offset)
                }
                $0.add(channel)
                $0.add(sized: array.bytes)
            }
        }
        try write(record + indexes)
        chunkIndexes += RecordBuilder.record(.chunkIndex) {
            $0.add(span.lowerBound)
            $0.add(span.upperBound)
            $0.add(start)
            $0.add(UInt64(record.count))
            $0.add(offsets)
            $0.add(UInt64(indexes.count))
            $0.add(options.compression.rawValue)
            $0.add(UInt64(compressed.count))
            $0.add(UInt64(content.count))
        }
        chunkCount += 1
        if let chunkTimes { times = Self.joined(times, chunkTimes) }
        (chunk, chunkTimes, entries) = ([], nil, [:])
    }

    /// Writes the last chunk, the summary and the end of the file, and waits until they are on disk.
    /// - Throws: `FileError`.
    public func finish() throws(FileError) {
        try flush()
        try write(RecordBuilder.record(.dataEnd) { $0.add(checksum.value) })
        let start = offset
        checksum = CRC32()
        var groups = RecordBuilder()
        for (opcode, records) in summary where !records.isEmpty {
            groups.add(
                raw: RecordBuilder.record(.summaryOffset) {
                    $0.add(opcode.rawValue)
                    $0.add(offset)
                    $0.add(UInt64(records.count))
                })
            try write(records)
        }
        let offsets = offset
        try write(groups.bytes)
        var footer = RecordBuilder()
        footer.add(Opcode.footer.rawValue)
        footer.add(20 as UInt64)
        footer.add(start)
        footer.add(offsets)
        checksum.update(footer.bytes)
        footer.add(checksum.value)
        try write(footer.bytes + magic)
        try file.sync()
    }

    /// Groups of records by their kind.
    private var summary: [(Opcode, [UInt8])] {
        let statistics = RecordBuilder.record(.statistics) {
            $0.add(messageCount)
            $0.add(UInt16(schemas.count))
            $0.add(UInt32(channels.count))
            $0.add(0 as UInt32)
            $0.add(metadataCount)
            $0.add(chunkCount)
            $0.add(times?.lowerBound ?? 0)
            $0.add(times?.upperBound ?? 0)
            $0.add(counts)
        }
        return [
            (.schema, Array(schemas.joined())), (.channel, Array(channels.joined())), (.statistics, statistics),
            (.chunkIndex, chunkIndexes), (.metadataIndex, metadataIndexes),
        ]
    }

    private func write(_ bytes: [UInt8]) throws(FileError) {
        checksum.update(bytes)
        offset += UInt64(bytes.count)
        try file.append(bytes)
    }
}
