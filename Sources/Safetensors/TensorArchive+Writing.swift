import Files
import StrictJSON

extension TensorArchive {
    /// Encodes tensors in memory as an archive; every tensor's bytes are copied once. Tensors are ordered as by the package safetensors:
    /// larger element types first, then by name; the data begins at a multiple of eight bytes.
    /// - Parameters:
    ///   - tensors: the tensors, whose names must be distinct.
    ///   - metadata: the header's `__metadata__`.
    public static func encode(_ tensors: [TensorContent], metadata: [String: String] = [:]) -> [UInt8] {
        let tensors = laidOut(tensors)
        let header = header(tensors.map { ($0.name, $0.type, $0.shape) }, metadata: metadata)
        let size = tensors.reduce(header.count) { $0 + $1.size }
        return [UInt8](unsafeUninitializedCapacity: size) { buffer, count in
            _ = buffer.update(fromContentsOf: header)
            count = header.count
            for tensor in tensors {
                do {
                    try tensor.withBytes { bytes in
                        UnsafeMutableRawBufferPointer(rebasing: UnsafeMutableRawBufferPointer(buffer)[count...]).copyMemory(from: bytes)
                        count += bytes.count
                    }
                } catch {
                    preconditionFailure("\(tensor.name), which is not in memory, cannot be read: \(error)")
                }
            }
        }
    }

    /// The header of an archive whose data is a contiguous block of Float tensors, such as a `ParameterStore`: the header followed by the
    /// block is the archive.
    /// - Parameters:
    ///   - tensors: names and shapes in the order of the block.
    ///   - metadata: the header's `__metadata__`.
    public static func header(
        flat tensors: [(name: String, shape: [Int])], metadata: [String: String] = [:]
    ) -> [UInt8] {
        header(tensors.map { ($0.name, .float32, $0.shape) }, metadata: metadata)
    }

    /// Writes an archive to a file, which is replaced atomically; the tensors are written one after the other, without a copy in memory.
    /// - Throws: `SafetensorsError`, also for what a tensor's `fill` throws.
    public static func write(
        _ tensors: [TensorContent], metadata: [String: String] = [:], to path: String
    ) throws(SafetensorsError) {
        do {
            try replaceFile(at: path) { append in try write(tensors, metadata: metadata, with: append) }
        } catch {
            throw SafetensorsError(error.path, .cannotWrite(error.cause))
        }
    }

    fileprivate static func write(
        _ tensors: [TensorContent], metadata: [String: String], with append: (UnsafeRawBufferPointer) throws -> Void
    ) throws {
        let tensors = laidOut(tensors)
        try header(tensors.map { ($0.name, $0.type, $0.shape) }, metadata: metadata).withUnsafeBytes(append)
        for tensor in tensors { try tensor.withBytes(append) }
    }

    private static func laidOut(_ tensors: [TensorContent]) -> [TensorContent] {
        tensors.sorted { a, b in (b.type.size, a.name) < (a.type.size, b.name) }
    }

    private static func header(
        _ tensors: [(name: String, type: ElementType, shape: [Int])], metadata: [String: String]
    ) -> [UInt8] {
        var members: [String: JSON] = [:]
        if !metadata.isEmpty { members["__metadata__"] = .object(metadata.mapValues { .string($0) }) }
        var end = 0
        for (name, type, shape) in tensors {
            let start = end
            end += shape.reduce(type.size, *)
            let entry: JSON = .object([
                "dtype": .string(type.rawValue), "shape": .array(shape.map { .integer($0) }),
                "data_offsets": .array([.integer(start), .integer(end)]),
            ])
            precondition(members.updateValue(entry, forKey: name) == nil, "two tensors are named \(name)")
        }
        var text = Array(JSON.object(members).text().utf8)
        while text.count % 8 != 0 { text.append(UInt8(ascii: " ")) }
        let length = UInt64(text.count).littleEndian
        return withUnsafeBytes(of: length) { Array($0) } + text
    }
}

extension CheckpointDirectory.Content {
    /// A safetensors file, written one tensor after the other.
    public init(_ name: String, _ tensors: [TensorContent], metadata: [String: String] = [:]) {
        self.init(name) { append in try TensorArchive.write(tensors, metadata: metadata, with: append) }
    }
}
