/// The header of a GGUF file: magic, version, counts, metadata and tensor descriptions; the tensors' bytes follow, aligned.
/// https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
struct GGUFHeader {
    /// The limits beyond which a file is refused; all of them are above what existing models need.
    enum Limits {
        static let keys = 1 << 16
        static let tensors = 1 << 18
        static let elements = 1 << 22
        static let textBytes = 1 << 20
        static let nameBytes = 1 << 10
        static let dimensions = 4
        static let alignment = 1 << 20
    }

    struct Entry {
        let name: String
        let type: GGUFType
        /// Outermost dimension first; in the file the innermost comes first.
        let shape: [Int]
        /// Byte offsets, counted from the beginning of the data.
        let range: Range<Int>
    }

    let version: UInt32
    let metadata: [String: GGUFValue]
    /// In the order of their bytes.
    let entries: [Entry]
    let dataStart: Int

    init(reading bytes: UnsafeRawBufferPointer, source: String) throws(GGUFError) {
        var reader = GGUFReader(bytes, source: source)
        guard bytes.count >= 4, bytes[0..<4].elementsEqual("GGUF".utf8) else { throw GGUFError(source, .noMagic) }
        _ = try reader.number(UInt32.self, "the magic")
        version = try reader.number(UInt32.self, "the version")
        guard version == 2 || version == 3 else { throw GGUFError(source, .version(version)) }
        let tensorCount = try reader.count("the number of tensors", limit: Limits.tensors)
        let keyCount = try reader.count("the number of keys", limit: Limits.keys)
        var metadata: [String: GGUFValue] = [:]
        for _ in 0..<keyCount {
            let key = try reader.text("a key", limit: Limits.nameBytes)
            let value = try reader.value(of: key)
            guard metadata.updateValue(value, forKey: key) == nil else { throw GGUFError(source, .duplicateKey(key)) }
        }
        self.metadata = metadata
        let alignment = try Self.alignment(metadata, source: source)
        var entries: [Entry] = []
        var names: Set<String> = []
        for _ in 0..<tensorCount {
            let entry = try reader.tensor()
            guard names.insert(entry.name).inserted else { throw GGUFError(source, .duplicateTensor(entry.name)) }
            guard entry.range.lowerBound.isMultiple(of: alignment) else {
                throw GGUFError(
                    source,
                    .misplaced(tensor: entry.name, problem: "begins at \(entry.range.lowerBound), which is not a multiple of \(alignment)"))
            }
            entries.append(entry)
        }
        dataStart = (reader.place + alignment - 1) / alignment * alignment
        self.entries = entries.sorted { ($0.range.lowerBound, $0.range.upperBound) < ($1.range.lowerBound, $1.range.upperBound) }
        try Self.check(self.entries, within: bytes.count - dataStart, source: source)
    }

    private static func alignment(_ metadata: [String: GGUFValue], source: String) throws(GGUFError) -> Int {
        guard let given = metadata["general.alignment"] else { return 32 }
        guard let alignment = given.integer, alignment > 0, alignment <= Limits.alignment, alignment & (alignment - 1) == 0 else {
            throw GGUFError(source, .badKey("general.alignment", problem: "is not a power of two up to \(Limits.alignment)"))
        }
        return alignment
    }

    private static func check(_ entries: [Entry], within size: Int, source: String) throws(GGUFError) {
        var end = 0, last = ""
        for entry in entries {
            guard entry.range.lowerBound >= end else {
                throw GGUFError(source, .misplaced(tensor: entry.name, problem: "overlaps \"\(last)\""))
            }
            guard entry.range.upperBound <= size else {
                throw GGUFError(
                    source,
                    .misplaced(
                        tensor: entry.name, problem: "ends at byte \(entry.range.upperBound) of \(max(0, size)); the file may be truncated")
                )
            }
            (end, last) = (entry.range.upperBound, entry.name)
        }
    }
}

/// Reads the header of a GGUF file sequentially, and never beyond the end of the file.
struct GGUFReader {
    private let bytes: UnsafeRawBufferPointer
    private let source: String
    private(set) var place = 0

    init(_ bytes: UnsafeRawBufferPointer, source: String) {
        self.bytes = bytes
        self.source = source
    }

    private mutating func take(_ count: Int, _ what: String) throws(GGUFError) -> UnsafeRawBufferPointer {
        guard count <= bytes.count - place else { throw GGUFError(source, .cutOff(what: what, at: place)) }
        defer { place += count }
        return UnsafeRawBufferPointer(rebasing: bytes[place..<place + count])
    }

    mutating func number<T: FixedWidthInteger>(_: T.Type, _ what: String) throws(GGUFError) -> T {
        T(littleEndian: try take(MemoryLayout<T>.size, what).loadUnaligned(as: T.self))
    }

    mutating func count(_ what: String, limit: Int) throws(GGUFError) -> Int {
        let count = try number(UInt64.self, what)
        guard count <= UInt64(limit) else { throw GGUFError(source, .tooMany(what: what, count: count, limit: limit)) }
        return Int(count)
    }

    mutating func text(_ what: String, limit: Int) throws(GGUFError) -> String {
        let start = place, count = try count("the length of \(what)", limit: limit)
        let bytes = try take(count, what)
        guard let text = String(validating: bytes, as: UTF8.self) else { throw GGUFError(source, .badText(what: what, at: start)) }
        return text
    }

    // MARK: Metadata

    mutating func value(of key: String) throws(GGUFError) -> GGUFValue {
        let type = try number(UInt32.self, "the type of \"\(key)\"")
        guard type == Self.array else { return try scalar(type, key) }
        let element = try number(UInt32.self, "the type of \"\(key)\"")
        let count = try count("the list \"\(key)\"", limit: GGUFHeader.Limits.elements)
        // Every element takes at least one byte, so a count that is too large is rejected here, before memory is allocated for it.
        guard count <= bytes.count - place else { throw GGUFError(source, .cutOff(what: "the list \"\(key)\"", at: place)) }
        var integers: [Int] = [], numbers: [Double] = [], bools: [Bool] = [], strings: [String] = []
        for _ in 0..<count {
            switch try scalar(element, key) {
            case .integer(let value): integers.append(value)
            case .number(let value): numbers.append(value)
            case .bool(let value): bools.append(value)
            case .string(let value): strings.append(value)
            default: throw GGUFError(source, .badKey(key, problem: "holds a number beyond 64 signed bits"))
            }
        }
        switch element {
        case Self.string: return .strings(strings)
        case Self.bool: return .bools(bools)
        case Self.float32, Self.float64: return .numbers(numbers)
        default: return .integers(integers)
        }
    }

    private mutating func scalar(_ type: UInt32, _ key: String) throws(GGUFError) -> GGUFValue {
        let what = "the value of \"\(key)\""
        switch type {
        case 0: return .integer(Int(try number(UInt8.self, what)))
        case 1: return .integer(Int(try number(Int8.self, what)))
        case 2: return .integer(Int(try number(UInt16.self, what)))
        case 3: return .integer(Int(try number(Int16.self, what)))
        case 4: return .integer(Int(try number(UInt32.self, what)))
        case 5: return .integer(Int(try number(Int32.self, what)))
        case Self.float32: return .number(Double(Float(bitPattern: try number(UInt32.self, what))))
        case Self.bool:
            let byte = try number(UInt8.self, what)
            guard byte <= 1 else { throw GGUFError(source, .badKey(key, problem: "is \(byte), neither false nor true")) }
            return .bool(byte == 1)
        case Self.string: return .string(try text(what, limit: GGUFHeader.Limits.textBytes))
        case 10:
            let value = try number(UInt64.self, what)
            return Int(exactly: value).map { .integer($0) } ?? .large(value)
        case 11: return .integer(Int(try number(Int64.self, what)))
        case Self.float64: return .number(Double(bitPattern: try number(UInt64.self, what)))
        default: throw GGUFError(source, .unknownValueType(key: key, type: type))
        }
    }

    private static let float32: UInt32 = 6, bool: UInt32 = 7, string: UInt32 = 8, array: UInt32 = 9, float64: UInt32 = 12

    // MARK: Tensors

    mutating func tensor() throws(GGUFError) -> GGUFHeader.Entry {
        let name = try text("a tensor's name", limit: GGUFHeader.Limits.nameBytes)
        let dimensions = try number(UInt32.self, "the dimensions of \"\(name)\"")
        guard dimensions >= 1, dimensions <= UInt32(GGUFHeader.Limits.dimensions) else {
            throw GGUFError(
                source,
                .badShape(tensor: name, shape: [], problem: "of \(dimensions) dimensions; 1 to \(GGUFHeader.Limits.dimensions) are read"))
        }
        var extents: [UInt64] = []
        for _ in 0..<dimensions { extents.append(try number(UInt64.self, "the shape of \"\(name)\"")) }
        let number = try number(UInt32.self, "the type of \"\(name)\"")
        let offset = try self.number(UInt64.self, "the place of \"\(name)\"")
        guard let type = GGUFType(rawValue: number) else { throw GGUFError(source, .unknownType(tensor: name, type: number)) }
        guard extents[0].isMultiple(of: UInt64(type.blockCount)) else {
            throw GGUFError(
                source, .badShape(tensor: name, shape: extents, problem: "whose rows are not whole blocks of \(type.blockCount)"))
        }
        var blocks: UInt64 = 1
        for (index, extent) in extents.enumerated() {
            let factor = index == 0 ? extent / UInt64(type.blockCount) : extent
            let (product, overflow) = blocks.multipliedReportingOverflow(by: factor)
            guard !overflow, extent > 0, extent <= UInt64(Int32.max), product <= UInt64(Int64.max) / 256 else {
                throw GGUFError(source, .badShape(tensor: name, shape: extents, problem: "which is empty or too large"))
            }
            blocks = product
        }
        let size = blocks * UInt64(type.blockBytes)
        let (end, overflow) = offset.addingReportingOverflow(size)
        guard !overflow, end <= UInt64(bytes.count) else {
            throw GGUFError(
                source,
                .misplaced(
                    tensor: name, problem: "of \(size) bytes at \(offset) goes beyond the file's \(bytes.count); it may be truncated"))
        }
        return GGUFHeader.Entry(name: name, type: type, shape: extents.reversed().map(Int.init), range: Int(offset)..<Int(end))
    }
}
