/// Why a GGUF file is not valid or not supported, or cannot be written.
public struct GGUFError: Error, Equatable, Sendable, CustomStringConvertible {
    /// The path of the file.
    public let source: String
    public let reason: Reason

    public enum Reason: Equatable, Sendable {
        case cannotOpen(String)
        case noMagic
        case version(UInt32)
        /// A part of the header extends beyond the end of the file.
        case cutOff(what: String, at: Int)
        /// A count or a length exceeds its limit.
        case tooMany(what: String, count: UInt64, limit: Int)
        case badText(what: String, at: Int)
        case unknownValueType(key: String, type: UInt32)
        case duplicateKey(String)
        case badKey(String, problem: String)
        case duplicateTensor(String)
        case unknownType(tensor: String, type: UInt32)
        case badShape(tensor: String, shape: [UInt64], problem: String)
        case misplaced(tensor: String, problem: String)
        case missing(tensor: String)
        case wrongShape(tensor: String, found: [Int], expected: [Int])
        case nonFinite(tensor: String, index: Int)
        /// A number is greater than the storage format can hold.
        case beyondRange(tensor: String, index: Int)
        case cannotWrite(String)
    }

    public init(_ source: String, _ reason: Reason) {
        self.source = source
        self.reason = reason
    }

    public var description: String { "\(source): \(reason.sentence)" }
}

extension GGUFError.Reason {
    var sentence: String {
        switch self {
        case .cannotOpen(let why): "cannot be opened: \(why)"
        case .noMagic: "is not a GGUF file: it does not begin with GGUF"
        case .version(let version): "is GGUF of version \(version); versions 2 and 3, little-endian, are read"
        case .cutOff(let what, let place): "\(what) at byte \(place) goes beyond the file's end; it may be truncated"
        case .tooMany(let what, let count, let limit): "\(what) claims \(count), more than the allowed \(limit)"
        case .badText(let what, let place): "\(what) at byte \(place) is not UTF-8"
        case .unknownValueType(let key, let type): "the key \"\(key)\" has the unknown value type \(type)"
        case .duplicateKey(let key): "the key \"\(key)\" is given twice"
        case .badKey(let key, let problem): "the key \"\(key)\" \(problem)"
        case .duplicateTensor(let tensor): "tensor \"\(tensor)\" is given twice"
        case .unknownType(let tensor, let type): "tensor \"\(tensor)\" has the unknown type \(type)"
        case .badShape(let tensor, let shape, let problem): "tensor \"\(tensor)\" has shape \(shape), \(problem)"
        case .misplaced(let tensor, let problem): "tensor \"\(tensor)\" \(problem)"
        case .missing(let tensor): "there is no tensor \"\(tensor)\""
        case .wrongShape(let tensor, let found, let expected): "tensor \"\(tensor)\" has shape \(found), expected \(expected)"
        case .nonFinite(let tensor, let index): "tensor \"\(tensor)\" is not finite at element \(index)"
        case .beyondRange(let tensor, let index): "tensor \"\(tensor)\" is too large for its storage format at element \(index)"
        case .cannotWrite(let why): "cannot be written: \(why)"
        }
    }
}
