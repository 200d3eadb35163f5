import Glibc

/// A regular file mapped into memory for reading; unmapped when the object is released.
///
/// While it is mapped, the file may only be replaced by renaming another over it, as `replaceFile` does: reading a page of a file that
/// was truncated in place ends the process with SIGBUS.
/// `Sendable` holds because nothing writes to the memory between `init` and `deinit`.
public final class MappedFile: @unchecked Sendable {
    public let path: String
    public let bytes: UnsafeRawBufferPointer

    /// Opens and maps a file.
    /// - Throws: `cannotOpen`; `wrongKind` if it is not a regular file.
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
