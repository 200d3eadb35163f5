import Foundation

/// Lines of a file, one at a time, in memory bounded by the longest line allowed.
struct LineReader {
    enum Line {
        case whole([UInt8])
        /// Longer than allowed; its bytes are gone.
        case tooLong(bytes: Int)
    }

    private let file: FileHandle
    private let maximumBytes: Int
    private var buffer: [UInt8] = []
    private var position = 0
    private var isAtEnd = false

    init(file: FileHandle, maximumBytes: Int) {
        self.file = file
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
        guard length > 0 else { return nil }
        return length > maximumBytes ? .tooLong(bytes: length) : .whole(line)
    }

    /// A file that can no longer be read ends there.
    private mutating func refill() -> Bool {
        guard !isAtEnd else { return false }
        buffer = (try? file.read(upToCount: 1 << 16)).flatMap(\.self).map(Array.init) ?? []
        position = 0
        isAtEnd = buffer.isEmpty
        return !isAtEnd
    }
}
