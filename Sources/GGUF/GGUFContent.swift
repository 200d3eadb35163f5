/// A tensor to be written to a GGUF file: its name, its shape, and its numbers or blocks, which are asked for when its turn comes.
public struct GGUFContent {
    public let name: String
    public let type: GGUFType
    /// Outermost dimension first.
    public let shape: [Int]
    let source: Source

    enum Source {
        case numbers((UnsafeMutableBufferPointer<Float>) throws -> Void)
        case blocks((_ append: (UnsafeRawBufferPointer) throws -> Void) throws -> Void)
    }

    /// The formats that numbers are encoded in.
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
        self.init(name, type, shape, .numbers(fill))
    }

    /// A tensor that is encoded already.
    /// - Parameters:
    ///   - name: the tensor's name.
    ///   - type: any.
    ///   - shape: positive sizes, outermost first, whose last is a multiple of the type's `blockCount`.
    ///   - blocks: passes on all blocks, row by row: as many bytes as `bytes`.
    public static func encoded(
        _ name: String, _ type: GGUFType, _ shape: [Int],
        blocks: @escaping (_ append: (UnsafeRawBufferPointer) throws -> Void) throws -> Void
    ) -> GGUFContent {
        GGUFContent(name, type, shape, .blocks(blocks))
    }

    private init(_ name: String, _ type: GGUFType, _ shape: [Int], _ source: Source) {
        precondition(
            shape.allSatisfy { $0 > 0 } && (shape.last ?? 0).isMultiple(of: type.blockCount), "\(name) of shape \(shape) as \(type)")
        self.name = name
        self.type = type
        self.shape = shape
        self.source = source
    }

    /// The number of elements.
    public var count: Int { shape.reduce(1, *) }

    /// The number of bytes that they take.
    public var bytes: Int { count / type.blockCount * type.blockBytes }
}
