/// Named tensors in the safetensors format, validated strictly: of a mapped file, of a message, or of the shards of an index.
/// https://huggingface.co/docs/safetensors/index#format
public struct TensorArchive: Sendable {
    /// The file's path, or a description of the bytes in memory; errors begin with it.
    public let source: String
    /// The header's `__metadata__`.
    public let metadata: [String: String]
    /// In the order of their bytes.
    public let tensors: [StoredTensor]
    private let positions: [String: Int]

    /// The maximum length of a header in bytes, which is the limit of the format.
    public static let headerLimit = 100_000_000

    /// Maps a file into memory.
    /// - Throws: `SafetensorsError`.
    public init(mapping path: String) throws(SafetensorsError) {
        try self.init(source: path, storage: ByteStorage(mapping: path))
    }

    /// Reads an archive from bytes in memory, which are copied.
    /// - Throws: `SafetensorsError`.
    public init(bytes: UnsafeRawBufferPointer, source: String = "safetensors in memory") throws(SafetensorsError) {
        try self.init(source: source, storage: ByteStorage(copying: [bytes]))
    }

    /// Reads an archive from bytes in memory, which are copied.
    /// - Throws: `SafetensorsError`.
    public init(bytes: [UInt8], source: String = "safetensors in memory") throws(SafetensorsError) {
        let storage = bytes.withUnsafeBytes { ByteStorage(copying: [$0]) }
        try self.init(source: source, storage: storage)
    }

    /// An archive that came as the frames of a message, read where they lie. Where a tensor's elements would lie across two frames, which
    /// frames that `owner` cut for this purpose do not do, the frames are copied.
    /// - Parameters:
    ///   - frames: its bytes, in order; they neither move nor change while `owner` lives.
    ///   - owner: what keeps the frames; the archive and its tensors hold it.
    /// - Throws: `SafetensorsError`.
    public init(
        borrowing frames: [UnsafeRawBufferPointer], from owner: any Sendable, source: String = "safetensors in memory"
    ) throws(SafetensorsError) {
        let borrowed = ByteStorage(borrowing: frames, from: owner)
        if frames.count <= 1 {
            try self.init(source: source, storage: borrowed)
        } else if let header = try? Header(reading: borrowed.first, of: borrowed.count, source: source), header.isWhole(in: frames) {
            try self.init(source: source, storage: borrowed)
        } else {
            try self.init(source: source, storage: ByteStorage(copying: frames))
        }
    }

    private init(source: String, storage: ByteStorage) throws(SafetensorsError) {
        let header = try Header(reading: storage.first, of: storage.count, source: source)
        try self.init(
            source: source, metadata: header.metadata,
            tensors: header.entries.map { entry in
                StoredTensor(
                    name: entry.name, type: entry.type, shape: entry.shape, source: source, storage: storage,
                    range: header.dataStart + entry.range.lowerBound..<header.dataStart + entry.range.upperBound)
            })
    }

    init(source: String, metadata: [String: String], tensors: [StoredTensor]) throws(SafetensorsError) {
        var positions: [String: Int] = [:]
        for (i, tensor) in tensors.enumerated() {
            guard positions.updateValue(i, forKey: tensor.name) == nil else {
                throw SafetensorsError(source, .duplicate(tensor: tensor.name))
            }
        }
        self.source = source
        self.metadata = metadata
        self.tensors = tensors
        self.positions = positions
    }

    public var names: [String] { tensors.map(\.name) }

    public subscript(name: String) -> StoredTensor? { positions[name].map { tensors[$0] } }

    /// The tensor of a name and, if given, of a shape.
    /// - Throws: `missing`, `wrongShape`.
    public func tensor(_ name: String, shape: [Int]? = nil) throws(SafetensorsError) -> StoredTensor {
        guard let tensor = self[name] else { throw SafetensorsError(source, .missing(tensor: name)) }
        if let shape, tensor.shape != shape {
            throw SafetensorsError(source, .wrongShape(tensor: name, found: tensor.shape, expected: shape))
        }
        return tensor
    }
}
