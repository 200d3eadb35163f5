import Files
import Glibc

/// Immutable bytes, of a mapped file, a copy in memory or the frames of a message, that are released with the object.
/// `Sendable` holds because nothing writes to the memory between `init` and `deinit`.
final class ByteStorage: @unchecked Sendable {
    private enum Owner {
        case mapping
        case allocation
        case other(any Sendable)
    }

    /// The bytes in order; one segment, but for messages of several frames.
    private let segments: [UnsafeRawBufferPointer]
    /// Bytes of all segments.
    let count: Int
    private let owner: Owner

    private init(_ segments: [UnsafeRawBufferPointer], _ owner: Owner) {
        self.segments = segments
        self.owner = owner
        count = segments.reduce(0) { $0 + $1.count }
    }

    /// Maps a file. While it is mapped, the file may only be replaced by renaming another over it, as `replaceFile` does: reading a page
    /// of a file that was truncated in place ends the process with SIGBUS.
    convenience init(mapping path: String) throws(SafetensorsError) {
        let file: InputFile
        do { file = try InputFile(path) } catch { throw SafetensorsError(path, .cannotOpen(error.cause)) }
        guard file.size > 0 else {
            self.init([UnsafeRawBufferPointer(start: nil, count: 0)], .mapping)
            return
        }
        let memory = mmap(nil, file.size, PROT_READ, MAP_PRIVATE, file.descriptor, 0)
        guard let memory, memory != MAP_FAILED else { throw SafetensorsError(path, .cannotOpen(systemError())) }
        self.init([UnsafeRawBufferPointer(start: memory, count: file.size)], .mapping)
    }

    /// Holds one copy of bytes in memory, which may come in pieces, aligned for vectors.
    convenience init(copying pieces: [UnsafeRawBufferPointer]) {
        let count = pieces.reduce(0) { $0 + $1.count }
        let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: count, alignment: 64)
        var end = 0
        for piece in pieces {
            UnsafeMutableRawBufferPointer(rebasing: copy[end...]).copyMemory(from: piece)
            end += piece.count
        }
        self.init([UnsafeRawBufferPointer(copy)], .allocation)
    }

    /// Frames that `owner` keeps where they are.
    convenience init(borrowing frames: [UnsafeRawBufferPointer], from owner: any Sendable) {
        self.init(frames, .other(owner))
    }

    deinit {
        switch owner {
        case .mapping:
            if let start = segments[0].baseAddress { munmap(UnsafeMutableRawPointer(mutating: start), count) }
        case .allocation: segments[0].deallocate()
        case .other: break
        }
    }

    /// The first segment: all bytes, but for messages of several frames.
    var first: UnsafeRawBufferPointer { segments.first ?? UnsafeRawBufferPointer(start: nil, count: 0) }

    /// The bytes of a range where they lie: one piece, or one a segment that the range touches, in order.
    func pieces(_ range: Range<Int>) -> [UnsafeRawBufferPointer] {
        if segments.count == 1 { return [UnsafeRawBufferPointer(rebasing: segments[0][range])] }
        var start = 0
        var pieces: [UnsafeRawBufferPointer] = []
        for segment in segments {
            let part = range.clamped(to: start..<start + segment.count)
            if !part.isEmpty { pieces.append(UnsafeRawBufferPointer(rebasing: segment[part.lowerBound - start..<part.upperBound - start])) }
            start += segment.count
        }
        return pieces
    }
}
