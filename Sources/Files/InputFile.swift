import CLinux
import Glibc

/// A file opened for reading, and closed when this value is destroyed.
///
/// Only regular files are accepted unless `streams` is true, so that a pipe without a writer cannot block the caller
/// and an endless device cannot fill its memory.
public struct InputFile: ~Copyable {
    public let path: String
    public let descriptor: Int32
    public let kind: FileKind
    /// The size of a regular file in bytes when it was opened; zero for a stream.
    public let size: Int

    /// Opens a file.
    /// - Parameters:
    ///   - path: the file; `-` has no special meaning.
    ///   - streams: whether pipes, devices and sockets are accepted too.
    /// - Throws: `cannotOpen`; `wrongKind` for a directory, and for a stream unless `streams` is true; `cannotRead` for a named pipe
    ///   that has no writer within ten seconds.
    public init(_ path: String, streams: Bool = false) throws(FileError) {
        // Opening a pipe without a writer would block, and the kind of the file is known only once it is open.
        let opened = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard opened >= 0 else { throw FileError(path, .cannotOpen(systemError())) }
        do throws(FileError) {
            (kind, size) = try Self.examine(opened, path, streams: streams)
        } catch {
            close(opened)
            throw error
        }
        self.path = path
        descriptor = opened
    }

    deinit { close(descriptor) }

    private static func examine(_ descriptor: Int32, _ path: String, streams: Bool) throws(FileError) -> (FileKind, Int) {
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw FileError(path, .cannotOpen(systemError())) }
        let kind = FileKind(mode: status.st_mode)
        guard kind == .regular || streams && kind.isStream else { throw FileError(path, .wrongKind(kind)) }
        if kind.isStream {
            if kind == .pipe { try awaitWriter(of: descriptor, path) }
            let flags = fcntl(descriptor, F_GETFL)
            guard flags >= 0, fcntl(descriptor, F_SETFL, flags & ~O_NONBLOCK) >= 0 else {
                throw FileError(path, .cannotOpen(systemError()))
            }
        }
        return (kind, kind == .regular ? status.st_size : 0)
    }

    /// How long to wait for the writer of a named pipe, in milliseconds.
    private static let writerPatience: Int32 = 10_000

    /// Waits until a named pipe has a writer: before the first one opens it, a read returns end of file. An anonymous pipe already
    /// has its writer.
    private static func awaitWriter(of descriptor: Int32, _ path: String) throws(FileError) {
        var buffer = [CChar](repeating: 0, count: 8)
        let count = readlink("/proc/self/fd/\(descriptor)", &buffer, buffer.count)
        if count >= 5, buffer[..<5].elementsEqual("pipe:".utf8.map(CChar.init)) { return }
        var wanted = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        while true {
            let ready = poll(&wanted, 1, writerPatience)
            if ready < 0, errno == EINTR { continue }
            guard ready != 0 || pipe_has_writer_or_bytes(descriptor) != 0 else {
                throw FileError(path, .cannotRead("no process has written to it for \(writerPatience / 1000) s"))
            }
            return
        }
    }

    /// Reads the file to its end.
    /// - Parameter limit: the maximum number of bytes.
    /// - Throws: `tooLarge`, for a regular file before anything is read; `cannotRead`.
    public func readAll(atMost limit: Int) throws(FileError) -> [UInt8] {
        guard size <= limit else { throw FileError(path, .tooLarge(limit: limit)) }
        return try Files.readAll(of: descriptor, path, expecting: size, atMost: limit)
    }
}

/// Reads a whole file.
/// - Parameters:
///   - path: the file.
///   - limit: the maximum number of bytes; a larger file is an error.
///   - streams: whether pipes (`<(…)`), `/dev/stdin` and devices are accepted too; they are read to their end.
/// - Throws: `FileError`.
public func readFile(_ path: String, atMost limit: Int, streams: Bool = false) throws(FileError) -> [UInt8] {
    try InputFile(path, streams: streams).readAll(atMost: limit)
}

/// Reads standard input to its end.
/// - Parameter limit: the maximum number of bytes.
/// - Throws: `tooLarge`; `cannotRead`, also if standard input is closed or a directory.
public func readStandardInput(atMost limit: Int) throws(FileError) -> [UInt8] {
    try readAll(of: STDIN_FILENO, "standard input", expecting: 0, atMost: limit)
}

private func readAll(of descriptor: Int32, _ path: String, expecting size: Int, atMost limit: Int) throws(FileError) -> [UInt8] {
    let chunk = 1 << 16
    var bytes: [UInt8] = []
    bytes.reserveCapacity(size)
    var buffer = [UInt8](repeating: 0, count: max(chunk, min(size, 1 << 24)))
    while true {
        let count = buffer.withUnsafeMutableBytes { read(descriptor, $0.baseAddress, $0.count) }
        if count < 0, errno == EINTR { continue }
        guard count >= 0 else { throw FileError(path, .cannotRead(systemError())) }
        if count == 0 { return bytes }
        guard bytes.count + count <= limit else { throw FileError(path, .tooLarge(limit: limit)) }
        bytes.append(contentsOf: buffer[..<count])
    }
}
