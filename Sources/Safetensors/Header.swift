import StrictJSON

/// The header of a safetensors file: its length in eight bytes, then JSON; the tensors' bytes follow.
/// https://huggingface.co/docs/safetensors/index#format
struct Header {
    struct Entry {
        let name: String
        let type: ElementType
        let shape: [Int]
        /// Byte offsets, counted from the end of the header.
        let range: Range<Int>
    }

    let metadata: [String: String]
    /// In the order of their bytes; they cover the data without overlap or gap.
    let entries: [Entry]
    let dataStart: Int

    /// - Parameters:
    ///   - bytes: the file's beginning, which the header has to lie in.
    ///   - total: bytes of the whole file.
    init(reading bytes: UnsafeRawBufferPointer, of total: Int, source: String) throws(SafetensorsError) {
        guard bytes.count >= 8 else { throw SafetensorsError(source, .tooShort(bytes: bytes.count)) }
        let length = UInt64(littleEndian: bytes.loadUnaligned(as: UInt64.self))
        guard length <= UInt64(TensorArchive.headerLimit) else {
            throw SafetensorsError(source, .headerTooLong(length: length, limit: TensorArchive.headerLimit))
        }
        guard length <= UInt64(bytes.count - 8) else {
            throw SafetensorsError(source, .headerBeyondEnd(length: length, bytes: bytes.count))
        }
        dataStart = 8 + Int(length)
        do {
            (metadata, entries) = try Self.parse(bytes[8..<dataStart], source: source)
        } catch let error as JSONError {
            throw SafetensorsError(source, .badHeader(offset: error.offset, problem: error.problem))
        } catch let error as SafetensorsError {
            throw error
        } catch {
            preconditionFailure("reading JSON threw \(error)")
        }
        try Self.check(entries, coverExactly: total - dataStart, source: source)
    }

    /// Whether every element of every tensor lies in one frame.
    func isWhole(in frames: [UnsafeRawBufferPointer]) -> Bool {
        var ends: [Int] = []
        for frame in frames.dropLast() { ends.append((ends.last ?? 0) + frame.count) }
        return entries.allSatisfy { entry in
            let range = dataStart + entry.range.lowerBound..<dataStart + entry.range.upperBound
            return ends.allSatisfy { !range.contains($0) || ($0 - range.lowerBound) % entry.type.size == 0 }
        }
    }

    private static func parse(
        _ text: Slice<UnsafeRawBufferPointer>, source: String
    ) throws -> (metadata: [String: String], entries: [Entry]) {
        guard text.first == UInt8(ascii: "{") else {
            throw JSONError(offset: 0, problem: "a header begins with a brace")
        }
        var metadata: [String: String] = [:]
        var entries: [Entry] = []
        try JSONScanner.read(text) { scanner in
            try scanner.object { name, scanner in
                if name == "__metadata__" {
                    try scanner.object { key, scanner in metadata[key] = try scanner.string() }
                } else {
                    entries.append(try entry(name, &scanner, source: source))
                }
            }
        }
        return (metadata, entries.sorted { ($0.range.lowerBound, $0.range.upperBound) < ($1.range.lowerBound, $1.range.upperBound) })
    }

    private static func entry(_ name: String, _ scanner: inout JSONScanner, source: String) throws -> Entry {
        func bad(_ problem: String) -> SafetensorsError { SafetensorsError(source, .badEntry(tensor: name, problem: problem)) }
        var typeName: String?
        var shape: [Int]?
        var offsets: [Int]?
        func sizes(_ scanner: inout JSONScanner) throws -> [Int] {
            var sizes: [Int] = []
            try scanner.array { scanner in sizes.append(try scanner.integer()) }
            guard sizes.allSatisfy({ $0 >= 0 }) else { throw bad("has a negative number in \(sizes)") }
            return sizes
        }
        try scanner.object { key, scanner in
            switch key {
            case "dtype": typeName = try scanner.string()
            case "shape": shape = try sizes(&scanner)
            case "data_offsets": offsets = try sizes(&scanner)
            default: throw bad("has the unknown key \"\(key)\"")
            }
        }
        guard let typeName, let shape, let offsets else { throw bad("lacks dtype, shape or data_offsets") }
        guard let type = ElementType(rawValue: typeName) else {
            throw SafetensorsError(source, .unknownType(tensor: name, type: typeName))
        }
        guard offsets.count == 2, offsets[0] <= offsets[1] else { throw bad("has the data_offsets \(offsets)") }
        var bytes = type.size
        for size in shape {
            let (product, overflow) = bytes.multipliedReportingOverflow(by: size)
            guard !overflow else { throw bad("has the impossible shape \(shape)") }
            bytes = product
        }
        guard bytes == offsets[1] - offsets[0] else {
            throw SafetensorsError(
                source, .sizeMismatch(tensor: name, shapeBytes: bytes, rangeBytes: offsets[1] - offsets[0]))
        }
        return Entry(name: name, type: type, shape: shape, range: offsets[0]..<offsets[1])
    }

    private static func check(
        _ entries: [Entry], coverExactly count: Int, source: String
    ) throws(SafetensorsError) {
        var end = 0
        for (i, entry) in entries.enumerated() {
            guard entry.range.upperBound <= count else {
                throw SafetensorsError(
                    source, .outOfBounds(tensor: entry.name, end: entry.range.upperBound, bytes: count))
            }
            guard entry.range.lowerBound >= end else {
                throw SafetensorsError(source, .overlap(tensor: entry.name, with: entries[i - 1].name))
            }
            guard entry.range.lowerBound == end else {
                throw SafetensorsError(source, .hole(before: entry.name, bytes: entry.range.lowerBound - end))
            }
            end = entry.range.upperBound
        }
        guard end == count else { throw SafetensorsError(source, .trailingBytes(count - end)) }
    }
}
