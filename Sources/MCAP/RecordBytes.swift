/// Builds the content of records: numbers are little-endian; strings, arrays and maps begin with their size in bytes.
struct RecordBuilder {
    private(set) var bytes: [UInt8] = []

    mutating func add<Number: FixedWidthInteger>(_ number: Number) {
        withUnsafeBytes(of: number.littleEndian) { bytes.append(contentsOf: $0) }
    }

    mutating func add(_ text: String) { add(sized: Array(text.utf8)) }

    /// At most 4 GiB, which callers make sure of.
    mutating func add(sized content: [UInt8]) {
        add(UInt32(clamping: content.count))
        bytes += content
    }

    mutating func add(raw content: some Collection<UInt8>) { bytes.append(contentsOf: content) }

    mutating func add(_ map: [String: String]) {
        var entries = RecordBuilder()
        for (key, value) in map.sorted(by: { $0.key < $1.key }) {
            entries.add(key)
            entries.add(value)
        }
        add(sized: entries.bytes)
    }

    mutating func add(_ map: [UInt16: UInt64]) {
        var entries = RecordBuilder()
        for (key, value) in map.sorted(by: { $0.key < $1.key }) {
            entries.add(key)
            entries.add(value)
        }
        add(sized: entries.bytes)
    }

    /// A whole record: its kind, its size and its content.
    static func record(_ opcode: Opcode, _ fill: (inout RecordBuilder) -> Void) -> [UInt8] {
        var content = RecordBuilder(), record = RecordBuilder()
        fill(&content)
        record.add(opcode.rawValue)
        record.add(UInt64(content.bytes.count))
        record.add(raw: content.bytes)
        return record.bytes
    }

    /// The size of a record's kind and of its own size.
    static let headBytes = 9
}

/// Reads records' content; what is not there is an error.
struct RecordCursor {
    private let bytes: ArraySlice<UInt8>
    private(set) var position: Int

    init(_ bytes: ArraySlice<UInt8>) { (self.bytes, position) = (bytes, bytes.startIndex) }

    var remaining: Int { bytes.endIndex - position }

    mutating func take(_ count: UInt64) throws(MCAPError) -> ArraySlice<UInt8> {
        guard count <= UInt64(remaining) else { throw MCAPError(.malformed, "a field of \(count) bytes where \(remaining) are left") }
        let part = bytes[position..<position + Int(count)]
        position += Int(count)
        return part
    }

    mutating func number<Number: FixedWidthInteger>(_ type: Number.Type = Number.self) throws(MCAPError) -> Number {
        let part = try take(UInt64(Number.bitWidth / 8))
        return part.reversed().reduce(0) { $0 << 8 | Number(truncatingIfNeeded: $1) }
    }

    mutating func text() throws(MCAPError) -> String {
        let part = try take(UInt64(try number(UInt32.self)))
        guard let text = String(validating: part, as: UTF8.self) else { throw MCAPError(.malformed, "a text that is no UTF-8") }
        return text
    }

    mutating func map() throws(MCAPError) -> [String: String] {
        var entries = RecordCursor(try take(UInt64(try number(UInt32.self)))), map: [String: String] = [:]
        while entries.remaining > 0 {
            let key = try entries.text()
            map[key] = try entries.text()
        }
        return map
    }

    /// The next record of a run of records; nil where it is not whole.
    mutating func record() -> (opcode: UInt8, content: ArraySlice<UInt8>)? {
        var ahead = self
        guard let opcode = try? ahead.number(UInt8.self), let size = try? ahead.number(UInt64.self), let content = try? ahead.take(size)
        else { return nil }
        self = ahead
        return (opcode, content)
    }
}
