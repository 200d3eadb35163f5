import Files
import Glibc

/// Read-only bytes that live as long as anyone holds them: a mapped file, or an array.
/// `Sendable` holds because nothing writes to the memory between `init` and `deinit`.
final class ByteStorage: @unchecked Sendable {
    let bytes: UnsafeRawBufferPointer
    private let isMapped: Bool

    /// Maps a file. Whoever replaces it must rename a new file over it, as `replaceFile` does: the pages of a
    /// file that is shortened in place are gone.
    init(mapping path: String) throws(SafetensorsError) {
        let file: InputFile
        do { file = try InputFile(path) } catch { throw SafetensorsError(path, .cannotOpen(error.cause)) }
        isMapped = true
        guard file.size > 0 else {
            bytes = UnsafeRawBufferPointer(start: nil, count: 0)
            return
        }
        let memory = mmap(nil, file.size, PROT_READ, MAP_PRIVATE, file.descriptor, 0)
        guard let memory, memory != MAP_FAILED else { throw SafetensorsError(path, .cannotOpen(systemError())) }
        bytes = UnsafeRawBufferPointer(start: memory, count: file.size)
    }

    /// Holds a copy of bytes in memory, aligned for vectors.
    init(copying source: UnsafeRawBufferPointer) {
        let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: source.count, alignment: 64)
        copy.copyMemory(from: source)
        bytes = UnsafeRawBufferPointer(copy)
        isMapped = false
    }

    deinit {
        if !isMapped {
            bytes.deallocate()
        } else if let start = bytes.baseAddress {
            munmap(UnsafeMutableRawPointer(mutating: start), bytes.count)
        }
    }
}
