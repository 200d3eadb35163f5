import Glibc

/// Why a file could not be read or written: the path, and the system's error message or the limit that was exceeded.
public struct FileError: Error, Equatable, Sendable, CustomStringConvertible {
    public let path: String
    public let reason: Reason

    public enum Reason: Equatable, Sendable {
        case cannotOpen(String)
        /// The path leads to a directory, a pipe or a device, and a regular file is required.
        case wrongKind(FileKind)
        case tooLarge(limit: Int)
        case cannotRead(String)
        case cannotWrite(String)
    }

    public init(_ path: String, _ reason: Reason) {
        self.path = path
        self.reason = reason
    }

    public var description: String { "\(path) \(sentence)" }

    /// The system's error message, or a sentence about the file if the error did not come from the system.
    public var cause: String {
        switch reason {
        case .cannotOpen(let why), .cannotRead(let why), .cannotWrite(let why): why
        case .wrongKind, .tooLarge: "it \(sentence)"
        }
    }

    /// The description without the path.
    public var sentence: String {
        switch reason {
        case .cannotOpen(let why): "cannot be opened: \(why)"
        case .wrongKind(let kind): "is \(kind.rawValue), not a regular file"
        case .tooLarge(let limit): "has more than the \(limit) bytes that are read of such a file"
        case .cannotRead(let why): "cannot be read: \(why)"
        case .cannotWrite(let why): "cannot be written: \(why)"
        }
    }
}

/// The kind of file at a path.
public enum FileKind: String, Sendable {
    case regular = "a regular file"
    case directory = "a directory"
    case pipe = "a pipe"
    case characterDevice = "a device"
    case blockDevice = "a block device"
    case socket = "a socket"
    case unknown = "something unknown"

    /// Whether the file is read and written sequentially only, such as a pipe, and has no size.
    public var isStream: Bool { self == .pipe || self == .characterDevice || self == .socket }

    init(mode: mode_t) {
        self =
            switch mode & S_IFMT {
            case S_IFREG: .regular
            case S_IFDIR: .directory
            case S_IFIFO: .pipe
            case S_IFCHR: .characterDevice
            case S_IFBLK: .blockDevice
            case S_IFSOCK: .socket
            default: .unknown
            }
    }

    /// The kind of the file at `path`, symbolic links followed; nil if it does not exist.
    public init?(of path: String) {
        var status = stat()
        guard stat(path, &status) == 0 else { return nil }
        self.init(mode: status.st_mode)
    }
}

/// The system's message for the current `errno`.
func systemError() -> String { String(cString: strerror(errno)) }
