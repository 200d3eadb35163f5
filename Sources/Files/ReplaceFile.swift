import Glibc

/// Replaces a file atomically.
///
/// The new contents are written to a temporary file in the same directory, synced to disk and renamed over `path`: a reader, also
/// after a crash at any time, finds either the complete old file or the complete new one. A symbolic link is kept and its target
/// replaced. A pipe or a device is written to directly. Temporary files that earlier processes have left for `path` are removed.
/// - Parameters:
///   - path: the file.
///   - fill: writes the contents by calling the function that it is given; an error that it throws becomes `cannotWrite`.
/// - Throws: `cannotWrite`; `wrongKind` for a directory.
public func replaceFile(
    at path: String, fill: (_ append: (UnsafeRawBufferPointer) throws -> Void) throws -> Void
) throws(FileError) {
    let target = try target(of: path)
    switch FileKind(of: target) {
    case nil, .regular: try replaceRegularFile(at: target, fill: fill)
    case .directory: throw FileError(path, .wrongKind(.directory))
    default: try writeStream(at: target, fill: fill)
    }
}

/// Replaces a file atomically with text in UTF-8, as `replaceFile(at:fill:)` does.
/// - Throws: `cannotWrite`; `wrongKind` for a directory.
public func replaceFile(at path: String, with text: String) throws(FileError) {
    try replaceFile(at: path) { append in try Array(text.utf8).withUnsafeBytes(append) }
}

/// Checks that `replaceFile` could write to `path`: that its directory exists and is writable, and that it is not a directory itself.
/// - Throws: `cannotWrite`; `wrongKind` for a directory.
public func checkReplaceable(_ path: String) throws(FileError) {
    let target = try target(of: path)
    switch FileKind(of: target) {
    case .directory: throw FileError(path, .wrongKind(.directory))
    case nil, .regular: try require(access(directory(of: target), W_OK | X_OK) == 0, path)
    default: try require(access(target, W_OK) == 0, path)
    }
}

/// Removes the temporary files that processes which no longer run have left while replacing `path`.
public func removeUnfinished(of path: String) {
    let directory = directory(of: path)
    let prefix = "\(path.split(separator: "/").last ?? "")."
    for name in fileNames(in: directory) where name.hasPrefix(prefix) && isAbandoned(name, after: prefix.count) {
        unlink("\(directory)/\(name)")
    }
}

/// Whether a file name has the form `….<process>.partial` and that process no longer runs.
/// - Parameter start: the number of characters before the process number; nil for everything up to the second-to-last dot.
func isAbandoned(_ name: String, after start: Int? = nil) -> Bool {
    guard name.hasSuffix(unfinishedSuffix) else { return false }
    let rest = name.dropLast(unfinishedSuffix.count)
    let number = start.map { rest.dropFirst($0) } ?? rest[(rest.lastIndex(of: ".").map(rest.index(after:)) ?? rest.endIndex)...]
    guard let process = Int32(number), process > 0 else { return false }
    return kill(process, 0) != 0 && errno == ESRCH
}

private let unfinishedSuffix = ".partial"

func replaceRegularFile(
    at path: String, mode: mode_t = 0o666, fill: (_ append: (UnsafeRawBufferPointer) throws -> Void) throws -> Void
) throws(FileError) {
    removeUnfinished(of: path)
    let partial = "\(path).\(getpid())\(unfinishedSuffix)"
    unlink(partial)
    let descriptor = open(partial, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode)
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
        if let error = error as? FileError { throw error }
        throw FileError(path, .cannotWrite("\(error)"))
    }
    syncDirectory(directory(of: path))
}

private func writeStream(
    at path: String, fill: (_ append: (UnsafeRawBufferPointer) throws -> Void) throws -> Void
) throws(FileError) {
    // Opening a pipe without a reader would block for ever; with O_NONBLOCK it fails with ENXIO.
    let descriptor = open(path, O_WRONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else {
        throw FileError(path, .cannotWrite(errno == ENXIO ? "no process reads from it" : systemError()))
    }
    defer { close(descriptor) }
    do {
        try fill { bytes in try append(bytes, to: descriptor, path) }
    } catch {
        if let error = error as? FileError { throw error }
        throw FileError(path, .cannotWrite("\(error)"))
    }
}

/// How long to wait for the reader of a full pipe, in milliseconds.
private let pipePatience: Int32 = 10_000

/// Writes all bytes, with as many calls of `write` as that takes.
func append(_ bytes: UnsafeRawBufferPointer, to descriptor: Int32, _ path: String) throws(FileError) {
    var rest = bytes
    while let start = rest.baseAddress, !rest.isEmpty {
        let written = Glibc.write(descriptor, start, rest.count)
        if written < 0, errno == EINTR { continue }
        if written < 0, errno == EAGAIN {
            var room = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
            guard poll(&room, 1, pipePatience) > 0 else {
                throw FileError(path, .cannotWrite("no process has read from it for \(pipePatience / 1000) s"))
            }
            continue
        }
        try require(written > 0, path)
        rest = UnsafeRawBufferPointer(rebasing: rest[written...])
    }
}

private func require(_ success: Bool, _ path: String) throws(FileError) {
    guard success else { throw FileError(path, .cannotWrite(systemError())) }
}

/// The path that a write to `path` goes to: symbolic links are followed, also if their target does not exist yet.
private func target(of path: String) throws(FileError) -> String {
    var path = path
    for _ in 0..<maximumLinks {
        var buffer = [CChar](repeating: 0, count: Int(PATH_MAX))
        let count = readlink(path, &buffer, buffer.count)
        if count < 0 { return path }  // no link
        let link = String(decoding: buffer[..<count].map(UInt8.init(bitPattern:)), as: UTF8.self)
        // `/dev/fd/63` links to `pipe:[…]`, which is not a path: such a link is opened itself.
        let next = link.hasPrefix("/") ? link : "\(directory(of: path))/\(link)"
        if FileKind(of: path)?.isStream == true { return path }
        path = next
    }
    throw FileError(path, .cannotWrite("too many symbolic links"))
}

/// Linux follows as many (path_resolution(7)).
private let maximumLinks = 40

func directory(of path: String) -> String {
    guard let slash = path.lastIndex(of: "/") else { return "." }
    return slash == path.startIndex ? "/" : String(path[..<slash])
}
