/// A tensor of an archive: its name, its shape and a view of its bytes, row-major and little-endian.
public struct StoredTensor: Sendable {
    public let name: String
    public let type: ElementType
    public let shape: [Int]
    let source: String
    let storage: ByteStorage
    let range: Range<Int>

    /// The number of elements.
    public var count: Int { shape.reduce(1, *) }

    /// The stored bytes, which may not be aligned; a copy of them, where they lie in several frames of a message.
    public func withUnsafeBytes<Result>(_ body: (UnsafeRawBufferPointer) throws -> Result) rethrows -> Result {
        let pieces = storage.pieces(range)
        if pieces.count == 1 { return try body(pieces[0]) }
        return try pieces.flatMap { Array($0) }.withUnsafeBytes(body)
    }

    /// - Throws: what `floats` throws.
    public func checkFinite() throws(SafetensorsError) {
        guard type == .float32 else {
            _ = try floats()
            return
        }
        let exponent = Float.infinity.bitPattern
        for bytes in storage.pieces(range) {
            var found = false
            for place in stride(from: 0, to: bytes.count, by: 4) {
                found = found || bytes.loadUnaligned(fromByteOffset: place, as: UInt32.self) & exponent == exponent
            }
            if found { _ = try floats() }
        }
    }

    /// The same tensor under another name.
    public func renamed(_ name: String) -> StoredTensor {
        StoredTensor(name: name, type: type, shape: shape, source: source, storage: storage, range: range)
    }

    /// The elements as `Float`, converted from float16, bfloat16, float32 or float64.
    /// - Throws: `notConvertible` for other types; `nonFinite`.
    public func floats() throws(SafetensorsError) -> [Float] { try elements() }

    /// The elements as `Double`, converted from float16, bfloat16, float32 or float64.
    /// - Throws: `notConvertible` for other types; `nonFinite`.
    public func doubles() throws(SafetensorsError) -> [Double] { try elements() }

    /// Writes the elements to `destination`, converted from float16, bfloat16, float32 or float64.
    /// - Parameter destination: a buffer of `count` elements; after an error its contents are unspecified.
    /// - Throws: `notConvertible` for other types; `nonFinite`.
    public func copy(into destination: UnsafeMutableBufferPointer<Float>) throws(SafetensorsError) {
        try fill(destination)
    }

    /// Writes the elements to `destination`, converted from float16, bfloat16, float32 or float64.
    /// - Parameter destination: a buffer of `count` elements; after an error its contents are unspecified.
    /// - Throws: `notConvertible` for other types; `nonFinite`.
    public func copy(into destination: UnsafeMutableBufferPointer<Double>) throws(SafetensorsError) {
        try fill(destination)
    }

    private func fill<S: BinaryFloatingPoint>(_ destination: UnsafeMutableBufferPointer<S>) throws(SafetensorsError) {
        precondition(destination.count == count, "\(name) has \(count) elements, the destination \(destination.count)")
        var done = 0
        for bytes in storage.pieces(range) {
            let place = UnsafeMutableBufferPointer(rebasing: destination[done..<done + bytes.count / type.size])
            switch type {
            case .float32: convert(bytes, Float.self, to: place) { S($0) }
            case .float64: convert(bytes, Double.self, to: place) { S($0) }
            case .float16: convert(bytes, Float16.self, to: place) { S(Float($0)) }
            case .bfloat16: convert(bytes, UInt16.self, to: place) { S(Float(bitPattern: UInt32($0) << 16)) }
            default: throw SafetensorsError(source, .notConvertible(tensor: name, type: type, to: "\(S.self)"))
            }
            done += place.count
        }
        if let index = firstNonFinite(in: destination) {
            throw SafetensorsError(source, .nonFinite(tensor: name, index: index))
        }
    }

    /// The elements of an integer type, or booleans as 0 and 1.
    /// - Throws: `notConvertible` for other types and for numbers that do not fit in `Int`.
    public func integers() throws(SafetensorsError) -> [Int] {
        func read<T: FixedWidthInteger>(_: T.Type) -> [Int]? {
            withUnsafeBytes { bytes in
                var result: [Int] = []
                result.reserveCapacity(count)
                for i in 0..<count {
                    let value = bytes.loadUnaligned(fromByteOffset: i * MemoryLayout<T>.size, as: T.self)
                    guard let value = Int(exactly: T(littleEndian: value)) else { return nil }
                    result.append(value)
                }
                return result
            }
        }
        let result: [Int]? =
            switch type {
            case .bool, .uint8: read(UInt8.self)
            case .int8: read(Int8.self)
            case .uint16: read(UInt16.self)
            case .int16: read(Int16.self)
            case .uint32: read(UInt32.self)
            case .int32: read(Int32.self)
            case .uint64: read(UInt64.self)
            case .int64: read(Int64.self)
            default: nil
            }
        guard let result else { throw SafetensorsError(source, .notConvertible(tensor: name, type: type, to: "integers")) }
        return result
    }

    private func elements<S: BinaryFloatingPoint>() throws(SafetensorsError) -> [S] {
        var result = [S](repeating: 0, count: count)
        var failure: SafetensorsError?
        result.withUnsafeMutableBufferPointer { buffer in
            do throws(SafetensorsError) { try fill(buffer) } catch { failure = error }
        }
        if let failure { throw failure }
        return result
    }
}

@inline(__always)
private func convert<Stored, S>(
    _ bytes: UnsafeRawBufferPointer, _: Stored.Type, to destination: UnsafeMutableBufferPointer<S>,
    _ value: (Stored) -> S
) {
    guard let source = bytes.baseAddress else { return }
    if Stored.self == S.self {
        UnsafeMutableRawBufferPointer(destination).copyMemory(from: bytes)
        return
    }
    for i in 0..<destination.count {
        destination[i] = value(source.loadUnaligned(fromByteOffset: i &* MemoryLayout<Stored>.size, as: Stored.self))
    }
}

/// The index of the first value that is not finite. Usually there is none, so one pass without branches checks that first.
private func firstNonFinite<S: BinaryFloatingPoint>(in values: UnsafeMutableBufferPointer<S>) -> Int? {
    var found: UInt8 = 0
    for value in values { found |= value.isFinite ? 0 : 1 }
    return found == 0 ? nil : values.firstIndex { !$0.isFinite }
}
