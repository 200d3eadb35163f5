import Glibc

/// A regular file's bytes, mapped for reading for as long as anyone holds them.
///
/// Whoever replaces the file must rename a new one over it, as `replaceFile` does: the pages of a file that is shortened in place are gone.
/// `Sendable` holds because nothing writes to the memory between `init` and `deinit`.
public final class MappedFile: @unchecked Sendable {
    public let path: String
    public let bytes: UnsafeRawBufferPointer

    /// - Throws: `cannotOpen`, `wrongKind`.
    public init(_ path: String) throws(FileError) {
        let file = try InputFile(path)
        self.path = path
        guard file.size > 0 else {
            bytes = UnsafeRawBufferPointer(start: nil, count: 0)
            return
        }
        let memory = mmap(nil, file.size, PROT_READ, MAP_PRIVATE, file.descriptor, 0)
        guard let memory, memory != MAP_FAILED else { throw FileError(path, .cannotOpen(systemError())) }
        bytes = UnsafeRawBufferPointer(start: memory, count: file.size)
    }

    deinit {
        if let start = bytes.baseAddress { munmap(UnsafeMutableRawPointer(mutating: start), bytes.count) }
    }
}
