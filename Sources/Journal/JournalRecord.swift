import Files

/// A record of a journal. The journal knows nothing of its content.
public struct JournalRecord: Sendable, Equatable {
    /// Greater than that of every record before it.
    public var ordinal: UInt64
    /// What kind of content it is; 0 is the journal's own.
    public var type: UInt16
    /// Where it is not empty, `mark` becomes the newest value of this key, at most 65,535 bytes each.
    public var key: [UInt8]
    public var mark: [UInt8]
    public var body: [UInt8]

    public init(ordinal: UInt64 = 0, type: UInt16, key: [UInt8] = [], mark: [UInt8] = [], body: [UInt8]) {
        (self.ordinal, self.type, self.key, self.mark, self.body) = (ordinal, type, key, mark, body)
    }

    /// The bytes that it takes in a segment.
    public var storedBytes: Int { RecordLayout.size(ofContent: key.count + mark.count + body.count) }
}

/// A record as bytes, little-endian:
///
///     0  4  the marker
///     4  4  the number of bytes of content: key, mark, body
///     8  8  ordinal
///     16 2  type
///     18 2  bytes of the key
///     20 2  bytes of the mark
///     22 2  zero
///     24 4  CRC-32C over the segment's salt, bytes 4 … 23 and the content
///     28    content, and zeros up to a multiple of 8
///
/// The salt is random: bytes that a publisher has sent cannot be taken for a record where the search after damage comes upon them.
enum RecordLayout {
    static let marker: UInt32 = 0xAC1E_7E0D
    static let header = 28
    static let alignment = 8

    static func size(ofContent bytes: Int) -> Int { (header + bytes + alignment - 1) / alignment * alignment }

    static func append(_ record: JournalRecord, salt: UInt32, to buffer: inout [UInt8]) {
        let start = buffer.count
        buffer.append(littleEndian: marker)
        buffer.append(littleEndian: UInt32(record.key.count + record.mark.count + record.body.count))
        buffer.append(littleEndian: record.ordinal)
        buffer.append(littleEndian: record.type)
        buffer.append(littleEndian: UInt16(record.key.count))
        buffer.append(littleEndian: UInt16(record.mark.count))
        buffer.append(littleEndian: UInt16(0))
        let place = buffer.count
        buffer.append(littleEndian: UInt32(0))
        buffer += record.key
        buffer += record.mark
        buffer += record.body
        let checksum = buffer.withUnsafeBytes { Self.checksum(salt: salt, UnsafeRawBufferPointer(rebasing: $0[start...])) }
        withUnsafeBytes(of: checksum.littleEndian) { buffer.replaceSubrange(place..<place + 4, with: $0) }
        buffer += [UInt8](repeating: 0, count: start + record.storedBytes - buffer.count)
    }

    /// - Parameter bytes: of the header and the content, without the zeros after it.
    static func checksum(salt: UInt32, _ bytes: UnsafeRawBufferPointer) -> UInt32 {
        var crc = CRC32C()
        withUnsafeBytes(of: salt.littleEndian) { crc.update($0) }
        crc.update(UnsafeRawBufferPointer(rebasing: bytes[4..<24]))
        crc.update(UnsafeRawBufferPointer(rebasing: bytes[header...]))
        return crc.value
    }

    /// The bytes of content that a header announces; nil where it is none.
    static func contentBytes(ofHeader bytes: UnsafeRawBufferPointer) -> Int? {
        guard bytes.count >= header, bytes.number(0, UInt32.self) == marker else { return nil }
        let content = Int(bytes.number(4, UInt32.self))
        guard Int(bytes.number(18, UInt16.self)) + Int(bytes.number(20, UInt16.self)) <= content else { return nil }
        return content
    }

    /// The record in these bytes; nil where its checksum is wrong.
    static func record(in bytes: UnsafeRawBufferPointer, salt: UInt32) -> JournalRecord? {
        guard let content = contentBytes(ofHeader: bytes), bytes.count >= header + content else { return nil }
        let whole = UnsafeRawBufferPointer(rebasing: bytes[..<(header + content)])
        guard checksum(salt: salt, whole) == bytes.number(24, UInt32.self) else { return nil }
        let key = header + Int(bytes.number(18, UInt16.self)), mark = key + Int(bytes.number(20, UInt16.self))
        return JournalRecord(
            ordinal: bytes.number(8, UInt64.self), type: bytes.number(16, UInt16.self), key: Array(whole[header..<key]),
            mark: Array(whole[key..<mark]), body: Array(whole[mark...]))
    }
}

extension [UInt8] {
    mutating func append(littleEndian number: some FixedWidthInteger) {
        Swift.withUnsafeBytes(of: number.littleEndian) { append(contentsOf: $0) }
    }
}

extension UnsafeRawBufferPointer {
    func number<Number: FixedWidthInteger>(_ place: Int, _ type: Number.Type) -> Number {
        Number(littleEndian: loadUnaligned(fromByteOffset: place, as: Number.self))
    }
}
