import Files
import Glibc

/// The bytes of a file, or of memory, from the first to the last.
struct ByteSource {
    /// Closes the file when the last copy of the source is released.
    private final class Opened {
        let file: InputFile

        init(_ path: String) throws(FileError) { file = try InputFile(path, streams: true) }
    }

    private let opened: Opened?
    private var buffer: [UInt8]
    private var position = 0
    /// The number of bytes taken.
    private(set) var offset: UInt64 = 0
    /// The checksum of all bytes taken since it was last set.
    var checksum = CRC32()

    private static let bufferBytes = 1 << 18

    init(path: String) throws(FileError) {
        opened = try Opened(path)
        buffer = []
    }

    init(bytes: [UInt8]) { (opened, buffer) = (nil, bytes) }

    /// The next bytes; fewer at the end. Memory grows with what is there.
    mutating func take(_ count: Int) throws(MCAPError) -> [UInt8] {
        var taken: [UInt8] = []
        while taken.count < count {
            if position == buffer.count, try !refill() { break }
            let part = buffer[position..<min(buffer.count, position + count - taken.count)]
            taken += part
            position += part.count
        }
        checksum.update(taken)
        offset += UInt64(taken.count)
        return taken
    }

    private mutating func refill() throws(MCAPError) -> Bool {
        guard let opened else { return false }
        var count: Int
        buffer = [UInt8](repeating: 0, count: Self.bufferBytes)
        repeat {
            count = buffer.withUnsafeMutableBytes { read(opened.file.descriptor, $0.baseAddress, $0.count) }
        } while count < 0 && errno == EINTR
        guard count >= 0 else { throw MCAPError(.unreadable, "cannot be read any further: \(String(cString: strerror(errno)))") }
        buffer.removeSubrange(count...)
        position = 0
        return count > 0
    }
}
