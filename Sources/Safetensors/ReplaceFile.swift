import Glibc

/// Writes a file beside `path` and renames it over `path` when it is complete and on the disk: a reader, or a crash at
/// any moment, finds the old file or the new one, whole. `fill` gets a function that appends bytes.
/// Throws `SafetensorsError`; what `fill` throws counts as unable to write.
public func replaceFile(
    at path: String, fill: (_ append: (UnsafeRawBufferPointer) throws -> Void) throws -> Void
) throws(SafetensorsError) {
    let partial = "\(path).\(getpid()).partial"
    unlink(partial)
    let descriptor = open(partial, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
    try require(descriptor >= 0, path)
    var isOpen = true
    do {
        try fill { bytes in try append(bytes, to: descriptor, path) }
        try require(fsync(descriptor) == 0, path)
        isOpen = false
        try require(close(descriptor) == 0, path)
        try require(rename(partial, path) == 0, path)
    } catch {
        if isOpen { close(descriptor) }
        unlink(partial)
        if let error = error as? SafetensorsError { throw error }
        throw SafetensorsError(path, .cannotWrite("\(error)"))
    }
    syncDirectory(of: path)
}

/// Writes text as `replaceFile(at:fill:)` does.
public func replaceFile(at path: String, with text: String) throws(SafetensorsError) {
    try replaceFile(at: path) { append in try Array(text.utf8).withUnsafeBytes(append) }
}

private func append(_ bytes: UnsafeRawBufferPointer, to descriptor: Int32, _ path: String) throws(SafetensorsError) {
    var rest = bytes
    while let start = rest.baseAddress, !rest.isEmpty {
        let written = Glibc.write(descriptor, start, rest.count)
        if written < 0, errno == EINTR { continue }
        try require(written > 0, path)
        rest = UnsafeRawBufferPointer(rebasing: rest[written...])
    }
}

private func require(_ success: Bool, _ path: String) throws(SafetensorsError) {
    guard success else { throw SafetensorsError(path, .cannotWrite(systemError())) }
}

/// The rename itself lives in the directory. A file system that cannot sync directories keeps its own promise.
private func syncDirectory(of path: String) {
    let directory = path.lastIndex(of: "/").map { String(path[...$0]) } ?? "."
    let descriptor = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard descriptor >= 0 else { return }
    fsync(descriptor)
    close(descriptor)
}
