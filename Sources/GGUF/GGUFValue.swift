/// A value of a GGUF file's metadata.
public enum GGUFValue: Equatable, Sendable {
    /// Any integer type.
    case integer(Int)
    /// An unsigned integer beyond `Int`.
    case large(UInt64)
    case number(Double)
    case bool(Bool)
    case string(String)
    case strings([String])
    case integers([Int])
    case numbers([Double])
    case bools([Bool])

    public var integer: Int? { if case .integer(let value) = self { value } else { nil } }
    public var string: String? { if case .string(let value) = self { value } else { nil } }
    public var bool: Bool? { if case .bool(let value) = self { value } else { nil } }
    public var strings: [String]? { if case .strings(let value) = self { value } else { nil } }
    public var integers: [Int]? { if case .integers(let value) = self { value } else { nil } }

    /// The value of an integer or a floating-point number.
    public var double: Double? {
        switch self {
        case .integer(let value): Double(value)
        case .number(let value): value
        default: nil
        }
    }
}
