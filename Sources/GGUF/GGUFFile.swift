import Files

/// A GGUF file, mapped into memory: the metadata and tensors of a model.
/// https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
public struct GGUFFile: Sendable {
    public let source: String
    public let version: UInt32
    public let metadata: [String: GGUFValue]
    /// In the order of their bytes.
    public let tensors: [GGUFTensor]
    private let indexOfName: [String: Int]

    /// Maps a file and reads its header. Offsets, alignment, overlaps, sizes, counts and lengths are checked before memory is allocated
    /// according to them.
    /// - Throws: `GGUFError`.
    public init(mapping path: String) throws(GGUFError) {
        let file: MappedFile
        do { file = try MappedFile(path) } catch { throw GGUFError(path, .cannotOpen(error.cause)) }
        let header = try GGUFHeader(reading: file.bytes, source: path)
        source = path
        version = header.version
        metadata = header.metadata
        tensors = header.entries.map {
            GGUFTensor(
                name: $0.name, type: $0.type, shape: $0.shape, file: file,
                range: header.dataStart + $0.range.lowerBound..<header.dataStart + $0.range.upperBound)
        }
        indexOfName = Dictionary(uniqueKeysWithValues: tensors.enumerated().map { ($1.name, $0) })
    }

    public subscript(_ name: String) -> GGUFTensor? { indexOfName[name].map { tensors[$0] } }

    /// The tensor of a name and a shape.
    /// - Throws: `missing`, `wrongShape`.
    public func tensor(_ name: String, shape: [Int]) throws(GGUFError) -> GGUFTensor {
        guard let tensor = self[name] else { throw GGUFError(source, .missing(tensor: name)) }
        guard tensor.shape == shape else { throw GGUFError(source, .wrongShape(tensor: name, found: tensor.shape, expected: shape)) }
        return tensor
    }
}

/// A tensor of a GGUF file: its name, its shape and a view of its bytes.
public struct GGUFTensor: Sendable {
    public let name: String
    public let type: GGUFType
    /// Outermost dimension first, as in a safetensors file.
    public let shape: [Int]
    private let file: MappedFile
    private let range: Range<Int>

    init(name: String, type: GGUFType, shape: [Int], file: MappedFile, range: Range<Int>) {
        self.name = name
        self.type = type
        self.shape = shape
        self.file = file
        self.range = range
    }

    /// The number of elements.
    public var count: Int { shape.reduce(1, *) }

    /// Calls `body` with the stored bytes, one block after the other.
    public func withUnsafeBytes<Result>(_ body: (UnsafeRawBufferPointer) throws -> Result) rethrows -> Result {
        try body(UnsafeRawBufferPointer(rebasing: file.bytes[range]))
    }

    /// Decodes the elements to `destination`.
    /// - Parameter destination: a buffer of `count` elements.
    /// - Throws: `nonFinite`, after all elements have been written.
    public func copy(into destination: UnsafeMutableBufferPointer<Float>) throws(GGUFError) {
        precondition(destination.count == count, "\(name) has \(count) elements, the destination \(destination.count)")
        guard let start = destination.baseAddress else { return }
        withUnsafeBytes { bytes in
            if let bytes = bytes.baseAddress { Self.decode(bytes, type, count: count, into: start) }
        }
        for i in 0..<destination.count where !destination[i].isFinite { throw GGUFError(file.path, .nonFinite(tensor: name, index: i)) }
    }

    /// Decodes stored numbers.
    /// - Parameters:
    ///   - bytes: whole blocks.
    ///   - type: their format.
    ///   - count: the number of elements, a multiple of the type's `blockCount`.
    ///   - y: memory for the elements.
    public static func decode(_ bytes: UnsafeRawPointer, _ type: GGUFType, count: Int, into y: UnsafeMutablePointer<Float>) {
        Blocks.decode(bytes, type, count: count, into: y)
    }

    /// Decodes all elements, some at a time, to find one that is not finite.
    /// - Throws: `nonFinite`.
    public func checkFinite() throws(GGUFError) {
        let piece = 256 * 64, count = count, type = type
        var stray: Int?
        withUnsafeBytes { bytes in
            guard let start = bytes.baseAddress else { return }
            withUnsafeTemporaryAllocation(of: Float.self, capacity: piece) { numbers in
                for first in stride(from: 0, to: count, by: piece) where stray == nil {
                    let size = min(piece, count - first)
                    Self.decode(start + first / type.blockCount * type.blockBytes, type, count: size, into: numbers.baseAddress!)
                    stray = numbers[..<size].firstIndex { !$0.isFinite }.map { first + $0 }
                }
            }
        }
        if let stray { throw GGUFError(file.path, .nonFinite(tensor: name, index: stray)) }
    }

    /// The decoded elements.
    /// - Throws: `nonFinite`.
    public func floats() throws(GGUFError) -> [Float] {
        let count = count
        var floats = [Float](repeating: 0, count: count)
        var failure: GGUFError?
        floats.withUnsafeMutableBufferPointer { buffer in
            do throws(GGUFError) { try copy(into: buffer) } catch { failure = error }
        }
        if let failure { throw failure }
        return floats
    }
}
