/// A tensor to be written: its name, its shape and access to its bytes, which are read while the archive is encoded.
public struct TensorContent {
    public let name: String
    public let type: ElementType
    public let shape: [Int]
    private let lend: (_ body: (UnsafeRawBufferPointer) throws -> Void) throws -> Void

    /// A tensor of bytes in memory, little-endian and row-major, which the caller keeps valid until the archive is written.
    public init(name: String, type: ElementType, shape: [Int], bytes: UnsafeRawBufferPointer) {
        let size = shape.reduce(type.size, *)
        precondition(bytes.count == size, "\(name) of shape \(shape) needs \(size) bytes, not \(bytes.count)")
        self.init(name: name, type: type, shape: shape) { body in try body(bytes) }
    }

    /// A float32 tensor of values in memory, which the caller keeps valid until the archive is written.
    public init(name: String, shape: [Int], values: UnsafeBufferPointer<Float>) {
        self.init(name: name, type: .float32, shape: shape, bytes: UnsafeRawBufferPointer(values))
    }

    /// A float32 tensor whose values are asked for when its turn comes, so that only one such tensor is in memory.
    /// - Parameter fill: writes all elements to a buffer of their number.
    public init(name: String, shape: [Int], filling fill: @escaping (UnsafeMutableBufferPointer<Float>) throws -> Void) {
        self.init(name: name, type: .float32, shape: shape) { body in
            let values = UnsafeMutableBufferPointer<Float>.allocate(capacity: shape.reduce(1, *))
            defer { values.deallocate() }
            try fill(values)
            try body(UnsafeRawBufferPointer(values))
        }
    }

    public init(name: String, shape: [Int], floats: [Float]) { self.init(name, .float32, shape, array: floats) }

    public init(name: String, shape: [Int], halves: [Float16]) { self.init(name, .float16, shape, array: halves) }

    public init(name: String, shape: [Int], doubles: [Double]) { self.init(name, .float64, shape, array: doubles) }

    public init(name: String, shape: [Int], integers: [Int]) { self.init(name, .int64, shape, array: integers) }

    public init(name: String, bytes: [UInt8]) { self.init(name, .uint8, [bytes.count], array: bytes) }

    public init(name: String, shape: [Int], words: [UInt32]) { self.init(name, .uint32, shape, array: words) }

    public init(name: String, shape: [Int], signedBytes: [Int8]) { self.init(name, .int8, shape, array: signedBytes) }

    /// A tensor of another archive, with the same name, type and bytes.
    public init(_ tensor: StoredTensor) {
        self.init(name: tensor.name, type: tensor.type, shape: tensor.shape) { body in try tensor.withUnsafeBytes(body) }
    }

    private init<Element>(_ name: String, _ type: ElementType, _ shape: [Int], array: [Element]) {
        let size = shape.reduce(1, *)
        precondition(array.count == size, "\(name) of shape \(shape) has \(array.count) elements")
        self.init(name: name, type: type, shape: shape) { body in try array.withUnsafeBytes(body) }
    }

    private init(
        name: String, type: ElementType, shape: [Int],
        lend: @escaping (_ body: (UnsafeRawBufferPointer) throws -> Void) throws -> Void
    ) {
        self.name = name
        self.type = type
        self.shape = shape
        self.lend = lend
    }

    var size: Int { shape.reduce(type.size, *) }

    func withBytes(_ body: (UnsafeRawBufferPointer) throws -> Void) throws { try lend(body) }
}
