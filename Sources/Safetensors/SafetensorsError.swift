import Glibc

/// Why a safetensors file, message or index is not valid or could not be written.
public struct SafetensorsError: Error, Equatable, CustomStringConvertible {
    /// The file's path, or a description of the bytes in memory.
    public let source: String
    public let reason: Reason

    public enum Reason: Equatable, Sendable {
        case cannotOpen(String)
        case cannotWrite(String)
        case damaged(String)
        case tooShort(bytes: Int)
        case headerTooLong(length: UInt64, limit: Int)
        case headerBeyondEnd(length: UInt64, bytes: Int)
        case badHeader(offset: Int, problem: String)
        case badEntry(tensor: String, problem: String)
        case unknownType(tensor: String, type: String)
        case sizeMismatch(tensor: String, shapeBytes: Int, rangeBytes: Int)
        case outOfBounds(tensor: String, end: Int, bytes: Int)
        case overlap(tensor: String, with: String)
        case hole(before: String, bytes: Int)
        case trailingBytes(Int)
        case missing(tensor: String)
        case wrongShape(tensor: String, found: [Int], expected: [Int])
        case notConvertible(tensor: String, type: ElementType, to: String)
        case nonFinite(tensor: String, index: Int)
        case duplicate(tensor: String)
        case badIndex(String)
    }

    public init(_ source: String, _ reason: Reason) {
        self.source = source
        self.reason = reason
    }

    public var description: String { "\(source): \(reason.sentence)" }
}

extension SafetensorsError.Reason {
    var sentence: String {
        switch self {
        case .cannotOpen(let why): "cannot be opened: \(why)"
        case .cannotWrite(let why): "cannot be written: \(why)"
        case .damaged(let what): what
        case .tooShort(let bytes): "\(bytes) bytes are too few to hold a safetensors header"
        case .headerTooLong(let length, let limit): "the header claims \(length) bytes, more than the allowed \(limit)"
        case .headerBeyondEnd(let length, let bytes):
            "the header claims \(length) bytes, but the file has only \(bytes); it may be truncated"
        case .badHeader(let offset, let problem): "the header is not valid, at its byte \(offset): \(problem)"
        case .badEntry(let tensor, let problem): "tensor \"\(tensor)\" \(problem)"
        case .unknownType(let tensor, let type): "tensor \"\(tensor)\" has the unknown element type \"\(type)\""
        case .sizeMismatch(let tensor, let shapeBytes, let rangeBytes):
            "tensor \"\(tensor)\" needs \(shapeBytes) bytes for its shape but is given \(rangeBytes)"
        case .outOfBounds(let tensor, let end, let bytes):
            "tensor \"\(tensor)\" ends at byte \(end) of \(bytes); the file may be truncated"
        case .overlap(let tensor, let other): "tensor \"\(tensor)\" overlaps \"\(other)\""
        case .hole(let tensor, let bytes): "\(bytes) bytes before tensor \"\(tensor)\" belong to no tensor"
        case .trailingBytes(let bytes): "\(bytes) bytes at the end belong to no tensor"
        case .missing(let tensor): "there is no tensor \"\(tensor)\""
        case .wrongShape(let tensor, let found, let expected):
            "tensor \"\(tensor)\" has shape \(found), expected \(expected)"
        case .notConvertible(let tensor, let type, let to):
            "tensor \"\(tensor)\" of type \(type.rawValue) cannot be read as \(to)"
        case .nonFinite(let tensor, let index): "tensor \"\(tensor)\" is not finite at element \(index)"
        case .duplicate(let tensor): "tensor \"\(tensor)\" is given twice"
        case .badIndex(let problem): problem
        }
    }
}

/// The system's message for the current `errno`.
func systemError() -> String { String(cString: strerror(errno)) }
