import Files
import Glibc

/// Reads a file line by line; its memory is bounded by the maximum length of a line.
struct LineReader {
    enum Line {
        case whole([UInt8])
        /// The line is longer than allowed and was discarded.
        case tooLong(bytes: Int)
        /// Reading failed; no lines follow.
        case unreadable(String)
    }

    /// Closes the file when the last copy of the reader is released.
    private final class Source {
        let file: InputFile

        init(_ path: String) throws(FileError) { file = try InputFile(path) }
    }

    private let source: Source
    private let maximumBytes: Int
    private var buffer: [UInt8] = []
    private var position = 0
    private var isAtEnd = false
    private var problem: String?

    /// - Throws: `cannotOpen`; `wrongKind` if the file is not a regular file.
    init(path: String, maximumBytes: Int) throws(FileError) {
        source = try Source(path)
        self.maximumBytes = maximumBytes
    }

    mutating func next() -> Line? {
        var line: [UInt8] = []
        var length = 0
        while position < buffer.count || refill() {
            let end = buffer[position...].firstIndex(of: UInt8(ascii: "\n"))
            let piece = buffer[position..<(end ?? buffer.count)]
            length += piece.count
            if length <= maximumBytes { line += piece } else { line = [] }
            position = end.map { $0 + 1 } ?? buffer.count
            if end != nil { return length > maximumBytes ? .tooLong(bytes: length) : .whole(line) }
        }
        if let problem {
            self.problem = nil
            return .unreadable(problem)
        }
        guard length > 0 else { return nil }
        return length > maximumBytes ? .tooLong(bytes: length) : .whole(line)
    }

    private mutating func refill() -> Bool {
        guard !isAtEnd else { return false }
        var count: Int
        buffer = [UInt8](repeating: 0, count: 1 << 16)
        repeat {
            count = buffer.withUnsafeMutableBytes { read(source.file.descriptor, $0.baseAddress, $0.count) }
        } while count < 0 && errno == EINTR
        if count < 0 { problem = String(cString: strerror(errno)) }
        buffer.removeSubrange(max(0, count)...)
        position = 0
        isAtEnd = count <= 0
        return !isAtEnd
    }
}
