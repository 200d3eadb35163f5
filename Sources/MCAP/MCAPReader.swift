import Files

/// Reads the messages of an MCAP file in the order in which they stand there, as strictly as the format allows and without trusting any
/// number of it.  https://mcap.dev/spec
///
/// A part that is damaged costs itself only. Of a file that ends too early, as that of a recorder that was killed, everything that is whole
/// is read, also of the chunk that was being written.
public struct MCAPReader: Sequence, IteratorProtocol {
    /// How the file ends.
    public enum End: Sendable, Equatable {
        /// With its summary and its last bytes.
        case complete
        /// Too early, or with bytes that are no record.
        case torn
    }

    /// Requirements that the file's content meets; empty: none.
    public private(set) var profile = ""
    /// The writer of the file.
    public private(set) var library = ""
    /// Records of names and values that have been read so far, by their name; the first of each name.
    public private(set) var metadata: [String: [String: String]] = [:]
    /// Nil until everything has been read.
    public private(set) var end: End?

    private var source: ByteSource
    private let limits: MCAPLimits
    private var schemas: [UInt16: MCAPSchema] = [:]
    private var channels: [UInt16: MCAPChannel] = [:]
    private var descriptionBytes = 0
    /// The rest of the chunk that is being read.
    private var chunk: RecordCursor?
    /// Whether the file ends within the chunk that is being read.
    private var isCutOff = false
    private static let maximumMetadata = 64

    /// Opens a file.
    /// - Throws: `FileError`; `MCAPError`: `notMCAP`, `malformed`.
    public init(path: String, limits: MCAPLimits = MCAPLimits()) throws {
        try self.init(try ByteSource(path: path), limits)
    }

    /// Reads a file's bytes.
    /// - Throws: `MCAPError`: `notMCAP`, `malformed`.
    public init(bytes: [UInt8], limits: MCAPLimits = MCAPLimits()) throws { try self.init(ByteSource(bytes: bytes), limits) }

    private init(_ source: ByteSource, _ limits: MCAPLimits) throws(MCAPError) {
        (self.source, self.limits) = (source, limits)
        guard try self.source.take(magic.count) == magic else { throw MCAPError(.notMCAP, "is no MCAP file: its first bytes are others") }
        guard case .whole(.header, let content)? = try record() else { throw MCAPError(.malformed, "has no header") }
        var cursor = RecordCursor(content[...])
        profile = try cursor.text()
        library = try cursor.text()
    }

    /// The next message, or why a part of the file is passed over; nil at the end.
    public mutating func next() -> Result<MCAPMessage, MCAPError>? {
        while end == nil {
            do throws(MCAPError) {
                if let message = try chunk == nil ? readOn() : readChunk() { return .success(message) }
            } catch {
                return .failure(error)
            }
        }
        return nil
    }

    // MARK: Records

    private enum Record {
        case whole(Opcode, [UInt8])
        /// A kind that this reader does not know.
        case foreign
        /// A record whose end is missing.
        case torn(Opcode, [UInt8])
    }

    /// The next record of the file; nil where not even its size is there.
    private mutating func record() throws(MCAPError) -> Record? {
        let head = try source.take(RecordBuilder.headBytes)
        var cursor = RecordCursor(head[...])
        guard let opcode = try? cursor.number(UInt8.self), let size = try? cursor.number(UInt64.self) else { return nil }
        guard size <= UInt64(limits.recordBytes) else {
            end = .torn
            throw MCAPError(.tooLarge, "a record of \(size) bytes, at most \(limits.recordBytes), at byte \(source.offset)")
        }
        let content = try source.take(Int(size))
        guard let kind = Opcode(rawValue: opcode) else { return content.count == Int(size) ? .foreign : nil }
        return content.count == Int(size) ? .whole(kind, content) : .torn(kind, content)
    }

    /// Reads a record of the data section, and returns its message if it is one.
    private mutating func readOn() throws(MCAPError) -> MCAPMessage? {
        let before = source.checksum, start = source.offset
        let record: Record?
        do throws(MCAPError) { record = try self.record() } catch {
            end = .torn  // nothing follows of what cannot be read
            throw error
        }
        switch record {
        case nil: end = .torn
        case .torn(.chunk, let content):
            end = .torn
            try? open(content, isCutOff: true)  // too little of it may be left
        case .torn: end = .torn
        case .whole(.chunk, let content): try open(content, isCutOff: false)
        case .whole(.message, let content): return try message(content[...])
        case .whole(.schema, let content): try take(schema: content[...])
        case .whole(.channel, let content): try take(channel: content[...])
        case .whole(.metadata, let content): try take(metadata: content[...])
        case .whole(.dataEnd, let content): try readSummary(content, dataSection: before.value)
        case .whole(.footer, let content):
            // A file without a data end has no summary.
            try finish(content, summary: start, checksum: CRC32(), isAlone: true)
        case .whole, .foreign: break
        }
        return nil
    }

    private mutating func open(_ content: [UInt8], isCutOff: Bool) throws(MCAPError) {
        var cursor = RecordCursor(content[...])
        _ = try cursor.take(16)  // the times of its first and last message
        let size = try cursor.number(UInt64.self), checksum = try cursor.number(UInt32.self), compression = try cursor.text()
        let stored = try cursor.number(UInt64.self)
        guard size <= UInt64(limits.recordBytes) else {
            throw MCAPError(.tooLarge, "a chunk of \(size) bytes, at most \(limits.recordBytes)")
        }
        let bytes = try cursor.take(isCutOff ? Swift.min(stored, UInt64(cursor.remaining)) : stored)
        let records = try decompressed(bytes, compression, size: Int(size), isCutOff: isCutOff)
        guard isCutOff || checksum == 0 || CRC32.of(records) == checksum else { throw MCAPError(.damaged, "a chunk with a wrong checksum") }
        chunk = RecordCursor(records[...])
        self.isCutOff = isCutOff
        end = nil
    }

    /// Reads a record of the chunk, and returns its message if it is one.
    private mutating func readChunk() throws(MCAPError) -> MCAPMessage? {
        guard var cursor = chunk, cursor.remaining > 0, let (opcode, content) = cursor.record() else {
            let left = chunk?.remaining ?? 0
            chunk = nil
            if isCutOff { end = .torn } else if left > 0 { throw MCAPError(.malformed, "a chunk that ends within a record") }
            return nil
        }
        chunk = cursor
        switch Opcode(rawValue: opcode) {
        case .message: return try message(content)
        case .schema: try take(schema: content)
        case .channel: try take(channel: content)
        case nil: break
        case let other?: throw MCAPError(.malformed, "a record of kind \(other) within a chunk")
        }
        return nil
    }

    private func message(_ content: ArraySlice<UInt8>) throws(MCAPError) -> MCAPMessage {
        var cursor = RecordCursor(content)
        let id = try cursor.number(UInt16.self), sequence = try cursor.number(UInt32.self)
        let logTime = try cursor.number(UInt64.self), publishTime = try cursor.number(UInt64.self)
        guard let channel = channels[id] else { throw MCAPError(.malformed, "a message of channel \(id), of which nothing is known") }
        let data = try cursor.take(UInt64(cursor.remaining))
        return MCAPMessage(channel: channel, sequence: sequence, logTime: logTime, publishTime: publishTime, data: Array(data))
    }

    private mutating func take(schema content: ArraySlice<UInt8>) throws(MCAPError) {
        var cursor = RecordCursor(content)
        let id = try cursor.number(UInt16.self)
        guard id != 0 else { return }  // not valid, and to be passed over
        let name = try cursor.text(), encoding = try cursor.text(), data = try cursor.take(UInt64(try cursor.number(UInt32.self)))
        let schema = MCAPSchema(name: name, encoding: encoding, data: Array(data))
        if let known = schemas[id] {
            guard known == schema else { throw MCAPError(.malformed, "two schemas with the number \(id)") }
            return
        }
        try count(content)
        schemas[id] = schema
    }

    private mutating func take(channel content: ArraySlice<UInt8>) throws(MCAPError) {
        var cursor = RecordCursor(content)
        let id = try cursor.number(UInt16.self), number = try cursor.number(UInt16.self)
        let topic = try cursor.text(), encoding = try cursor.text(), metadata = try cursor.map()
        guard number == 0 || schemas[number] != nil else {
            throw MCAPError(.malformed, "channel \(id) has schema \(number), of which nothing is known")
        }
        let channel = MCAPChannel(id: id, topic: topic, encoding: encoding, metadata: metadata, schema: schemas[number])
        if let known = channels[id] {
            guard known == channel else { throw MCAPError(.malformed, "two channels with the number \(id)") }
            return
        }
        try count(content)
        channels[id] = channel
    }

    private mutating func count(_ description: ArraySlice<UInt8>) throws(MCAPError) {
        descriptionBytes += description.count
        guard descriptionBytes <= limits.descriptionBytes else {
            throw MCAPError(.tooLarge, "schemas and channels of more than \(limits.descriptionBytes) bytes")
        }
    }

    private mutating func take(metadata content: ArraySlice<UInt8>) throws(MCAPError) {
        var cursor = RecordCursor(content)
        let name = try cursor.text(), values = try cursor.map()
        guard metadata.count < Self.maximumMetadata else { return }
        if metadata[name] == nil { metadata[name] = values }
    }

    // MARK: The end

    /// Reads what follows the data section, whose checksum is given, to the end of the file.
    private mutating func readSummary(_ dataEnd: [UInt8], dataSection: UInt32) throws(MCAPError) {
        var cursor = RecordCursor(dataEnd[...])
        let expected = try? cursor.number(UInt32.self)
        let summary = source.offset
        source.checksum = CRC32()
        end = .torn
        while true {
            let before = source.checksum
            guard case .whole(let opcode, let content)? = try record() else { return }
            if opcode == .footer {
                try finish(content, summary: summary, checksum: before, isAlone: false)
                break
            }
        }
        guard let expected, expected == 0 || expected == dataSection else {
            throw MCAPError(.damaged, "the checksum of all messages is wrong")
        }
    }

    /// - Parameters:
    ///   - summary: where the summary begins.
    ///   - checksum: that of the summary, up to the footer.
    ///   - isAlone: whether the footer follows the data section directly.
    private mutating func finish(_ footer: [UInt8], summary: UInt64, checksum: CRC32, isAlone: Bool) throws(MCAPError) {
        end = .torn
        var cursor = RecordCursor(footer[...])
        let start = try cursor.number(UInt64.self), offsets = try cursor.number(UInt64.self), expected = try cursor.number(UInt32.self)
        let last = try source.take(magic.count)
        guard magic.starts(with: last) else { throw MCAPError(.damaged, "the last bytes are not those of an MCAP file") }
        guard last == magic else { return }
        end = .complete
        guard !isAlone, expected != 0, start != 0 || offsets != 0 else { return }
        guard start == summary || start == 0 else { throw MCAPError(.damaged, "the summary is not where the footer says") }
        var sum = checksum
        sum.update(
            RecordBuilder.record(.footer) {
                $0.add(raw: footer)
            }.prefix(RecordBuilder.headBytes + 16))
        guard sum.value == expected else { throw MCAPError(.damaged, "the checksum of the summary is wrong") }
    }
}
