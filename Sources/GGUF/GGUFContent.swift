/// A tensor to be written to a GGUF file: its name, its shape, and its numbers, which are asked for when its turn comes.
public struct GGUFContent {
    public let name: String
    public let type: GGUFType
    /// Outermost dimension first.
    public let shape: [Int]
    let fill: (UnsafeMutableBufferPointer<Float>) throws -> Void

    /// The formats that are written.
    public static let types: [GGUFType] = [.float32, .float16, .q8_0]

    /// - Parameters:
    ///   - name: the tensor's name.
    ///   - type: one of `types`.
    ///   - shape: positive sizes, outermost first, whose last is a multiple of the type's `blockCount`.
    ///   - fill: writes all elements, row by row, to a buffer of their number.
    public init(
        _ name: String, _ type: GGUFType, _ shape: [Int], fill: @escaping (UnsafeMutableBufferPointer<Float>) throws -> Void
    ) {
        precondition(Self.types.contains(type), "\(name) of type \(type), which is not written")
        precondition(
            shape.allSatisfy { $0 > 0 } && (shape.last ?? 0).isMultiple(of: type.blockCount), "\(name) of shape \(shape) as \(type)")
        self.name = name
        self.type = type
        self.shape = shape
        self.fill = fill
    }

    /// The number of elements.
    public var count: Int { shape.reduce(1, *) }

    /// The number of bytes that they take.
    public var bytes: Int { count / type.blockCount * type.blockBytes }
}
