import Files
import Glibc

/// Immutable bytes, of a mapped file or a copy in memory, that are released with the object.
/// `Sendable` holds because nothing writes to the memory between `init` and `deinit`.
final class ByteStorage: @unchecked Sendable {
    let bytes: UnsafeRawBufferPointer
    private let isMapped: Bool

    /// Maps a file. While it is mapped, the file may only be replaced by renaming another over it, as `replaceFile` does: reading a page
    /// of a file that was truncated in place ends the process with SIGBUS.
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

    /// Copies bytes in memory, aligned to 64 bytes for vector instructions.
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
