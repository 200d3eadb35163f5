import Files

extension GGUFFile {
    /// A key of a file's metadata and its value.
    public typealias Entry = (key: String, value: GGUFValue)

    /// The alignment of tensors in files that are written, which is the format's default.
    static let alignment = 32

    /// Writes a file of version 3, which is replaced atomically; one tensor at a time is in memory.
    ///
    /// Integers are written as UINT32 if they fit, else as INT32 or INT64; lists of integers as INT32 or INT64; numbers as FLOAT32.
    ///
    /// - Parameters:
    ///   - metadata: the keys in their order, each once, without `general.alignment`.
    ///   - tensors: the tensors in their order, with distinct names.
    ///   - path: the file.
    ///   - progress: called after every tensor, with its number of elements.
    /// - Throws: `GGUFError`, if a text or a list is longer than a reader allows, a number is not finite or beyond the type's range, or
    ///   the file cannot be written; what a tensor's `fill` throws.
    public static func write(
        _ metadata: [Entry], _ tensors: [GGUFContent], to path: String, progress: (Int) -> Void = { _ in }
    ) throws {
        let header = try GGUFHeaderWriter(metadata, tensors, path: path).bytes
        let numbers = UnsafeMutableBufferPointer<Float>.allocate(capacity: tensors.reduce(0) { max($0, $1.numbersInMemory) })
        defer { numbers.deallocate() }
        var failure: (any Error)?
        do {
            try replaceFile(at: path) { append in
                try header.withUnsafeBytes(append)
                do {
                    for tensor in tensors {
                        try tensor.write(through: numbers, path: path, append)
                        progress(tensor.count)
                    }
                } catch {
                    failure = error
                    throw error
                }
            }
        } catch {
            if let failure, !(failure is FileError) { throw failure }
            throw GGUFError(path, .cannotWrite(error.cause))
        }
    }
}

/// Builds the header of a GGUF file, up to the first tensor's bytes.
private struct GGUFHeaderWriter {
    private(set) var bytes = Array("GGUF".utf8)
    private let path: String

    init(_ metadata: [GGUFFile.Entry], _ tensors: [GGUFContent], path: String) throws(GGUFError) {
        self.path = path
        precondition(Set(metadata.map(\.key)).count == metadata.count, "a key is given twice")
        precondition(Set(tensors.map(\.name)).count == tensors.count, "a tensor is given twice")
        add(UInt32(3))
        add(UInt64(try counted(tensors.count, "the number of tensors", atMost: GGUFHeader.Limits.tensors)))
        add(UInt64(try counted(metadata.count, "the number of keys", atMost: GGUFHeader.Limits.keys)))
        for (key, value) in metadata {
            try add(text: key, "a key", atMost: GGUFHeader.Limits.nameBytes)
            try add(value, of: key)
        }
        var offset = 0
        for tensor in tensors {
            try add(text: tensor.name, "a tensor's name", atMost: GGUFHeader.Limits.nameBytes)
            add(UInt32(tensor.shape.count))
            for size in tensor.shape.reversed() { add(UInt64(size)) }
            add(tensor.type.rawValue)
            add(UInt64(offset))
            offset = aligned(offset + tensor.bytes)
        }
        bytes += [UInt8](repeating: 0, count: aligned(bytes.count) - bytes.count)
    }

    private func counted(_ count: Int, _ what: String, atMost limit: Int) throws(GGUFError) -> Int {
        guard count <= limit else { throw GGUFError(path, .tooMany(what: what, count: UInt64(count), limit: limit)) }
        return count
    }

    private mutating func add(_ number: some FixedWidthInteger) { withUnsafeBytes(of: number.littleEndian) { bytes += $0 } }

    private mutating func add(text: String, _ what: String, atMost limit: Int) throws(GGUFError) {
        let text = Array(text.utf8)
        add(UInt64(try counted(text.count, "the length of \(what)", atMost: limit)))
        bytes += text
    }

    private mutating func add(_ value: GGUFValue, of key: String) throws(GGUFError) {
        func list(_ type: UInt32, _ count: Int) throws(GGUFError) {
            add(UInt32(9))
            add(type)
            add(UInt64(try counted(count, "the list \"\(key)\"", atMost: GGUFHeader.Limits.elements)))
        }
        switch value {
        case .integer(let value):
            if let value = UInt32(exactly: value) {
                add(UInt32(4))
                add(value)
            } else if let value = Int32(exactly: value) {
                add(UInt32(5))
                add(value)
            } else {
                add(UInt32(11))
                add(Int64(value))
            }
        case .large(let value):
            add(UInt32(10))
            add(value)
        case .number(let value):
            add(UInt32(6))
            add(Float(value).bitPattern)
        case .bool(let value):
            add(UInt32(7))
            add(value ? 1 : 0 as UInt8)
        case .string(let value):
            add(UInt32(8))
            try add(text: value, "the value of \"\(key)\"", atMost: GGUFHeader.Limits.textBytes)
        case .strings(let values):
            try list(8, values.count)
            for value in values { try add(text: value, "the value of \"\(key)\"", atMost: GGUFHeader.Limits.textBytes) }
        case .integers(let values):
            let small = values.compactMap { Int32(exactly: $0) }, fit = small.count == values.count
            try list(fit ? 5 : 11, values.count)
            if fit { for value in small { add(value) } } else { for value in values { add(Int64(value)) } }
        case .numbers(let values):
            try list(6, values.count)
            for value in values { add(Float(value).bitPattern) }
        case .bools(let values):
            try list(7, values.count)
            for value in values { add(value ? 1 : 0 as UInt8) }
        }
    }
}

private func aligned(_ place: Int) -> Int { (place + GGUFFile.alignment - 1) / GGUFFile.alignment * GGUFFile.alignment }

extension GGUFContent {
    /// The elements that are in memory when the tensor is written.
    fileprivate var numbersInMemory: Int { if case .numbers = source { count } else { 0 } }

    /// Writes the tensor and fills up to the alignment.
    fileprivate func write(
        through numbers: UnsafeMutableBufferPointer<Float>, path: String, _ append: (UnsafeRawBufferPointer) throws -> Void
    ) throws {
        switch source {
        case .numbers(let fill):
            let place = UnsafeMutableBufferPointer(rebasing: numbers[..<count])
            try fill(place)
            try encode(place, path: path, append)
        case .blocks(let pass):
            var size = 0
            try pass { part in
                size += part.count
                try append(part)
            }
            precondition(size == bytes, "\(name) has \(size) bytes in place of \(bytes)")
        }
        try [UInt8](repeating: 0, count: aligned(bytes) - bytes).withUnsafeBytes(append)
    }

    /// The number of elements that are encoded together, a multiple of every block.
    private static let piece = 1 << 16

    /// Encodes the elements, some at a time.
    private func encode(
        _ numbers: UnsafeMutableBufferPointer<Float>, path: String, _ append: (UnsafeRawBufferPointer) throws -> Void
    ) throws {
        if let stray = numbers.firstIndex(where: { !(abs($0) <= Self.greatest(type)) }) {
            throw GGUFError(
                path, numbers[stray].isFinite ? .beyondRange(tensor: name, index: stray) : .nonFinite(tensor: name, index: stray))
        }
        var piece = [UInt8](repeating: 0, count: min(Self.piece, numbers.count) / type.blockCount * type.blockBytes)
        for start in stride(from: 0, to: numbers.count, by: Self.piece) {
            let part = UnsafeMutableBufferPointer(rebasing: numbers[start..<min(numbers.count, start + Self.piece)])
            let size = part.count / type.blockCount * type.blockBytes
            try piece.withUnsafeMutableBytes { bytes in
                encode(part, into: bytes.baseAddress!)
                try append(UnsafeRawBufferPointer(rebasing: bytes[..<size]))
            }
        }
    }

    private func encode(_ numbers: UnsafeMutableBufferPointer<Float>, into bytes: UnsafeMutableRawPointer) {
        switch type {
        case .float16:
            for (i, number) in numbers.enumerated() {
                bytes.storeBytes(of: Float16(number).bitPattern, toByteOffset: 2 * i, as: UInt16.self)
            }
        case .q8_0: GGUFType.encodeEightBits(Array(numbers), into: bytes)
        default: bytes.copyMemory(from: UnsafeRawPointer(numbers.baseAddress!), byteCount: 4 * numbers.count)
        }
    }

    /// The greatest magnitude that a type can hold.
    private static func greatest(_ type: GGUFType) -> Float {
        switch type {
        case .float16: Float(Float16.greatestFiniteMagnitude)
        case .q8_0: Float(Float16.greatestFiniteMagnitude) * 127
        default: .greatestFiniteMagnitude
        }
    }
}
