import Glibc

/// Read-only bytes that live as long as anyone holds them: a mapped file, or an array.
/// `Sendable` holds because nothing writes to the memory between `init` and `deinit`.
final class ByteStorage: @unchecked Sendable {
    let bytes: UnsafeRawBufferPointer
    private let isMapped: Bool

    /// Maps a file. Whoever replaces it must rename a new file over it, as `replaceFile` does: the pages of a
    /// file that is shortened in place are gone.
    init(mapping path: String) throws(SafetensorsError) {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw SafetensorsError(path, .cannotOpen(systemError())) }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw SafetensorsError(path, .cannotOpen(systemError())) }
        guard status.st_mode & S_IFMT == S_IFREG else { throw SafetensorsError(path, .cannotOpen("not a file")) }
        isMapped = true
        guard status.st_size > 0 else {
            bytes = UnsafeRawBufferPointer(start: nil, count: 0)
            return
        }
        let memory = mmap(nil, status.st_size, PROT_READ, MAP_PRIVATE, descriptor, 0)
        guard let memory, memory != MAP_FAILED else { throw SafetensorsError(path, .cannotOpen(systemError())) }
        bytes = UnsafeRawBufferPointer(start: memory, count: status.st_size)
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

func fileExists(_ path: String) -> Bool { access(path, F_OK) == 0 }
