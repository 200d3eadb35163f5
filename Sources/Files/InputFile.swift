import CLinux
import Glibc

/// A file opened for reading, closed when it is released.
///
/// Only regular files are taken unless `streams` says otherwise, so that a pipe without a writer or an endless device
/// neither blocks nor fills the memory of whoever was given its path.
public struct InputFile: ~Copyable {
    public let path: String
    public let descriptor: Int32
    public let kind: FileKind
    /// Bytes of a regular file when it was opened; zero of a stream.
    public let size: Int

    /// - Parameters:
    ///   - path: what to open; `-` is a file's name like any other.
    ///   - streams: whether pipes, devices and sockets are taken too.
    /// - Throws: `cannotOpen`, `wrongKind`.
    public init(_ path: String, streams: Bool = false) throws(FileError) {
        // Opening a pipe that nobody writes to would block; its kind is known only afterwards.
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

    /// The writer of a pipe may come this much later than its reader, in milliseconds.
    private static let writerPatience: Int32 = 10_000

    /// Waits until a pipe that has a name has a writer, for before the first one comes a read would tell its end. One without a name
    /// has had its writer.
    private static func awaitWriter(of descriptor: Int32, _ path: String) throws(FileError) {
        var buffer = [CChar](repeating: 0, count: 8)
        let count = readlink("/proc/self/fd/\(descriptor)", &buffer, buffer.count)
        if count >= 5, buffer[..<5].elementsEqual("pipe:".utf8.map(CChar.init)) { return }
        var wanted = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        while true {
            let ready = poll(&wanted, 1, writerPatience)
            if ready < 0, errno == EINTR { continue }
            guard ready != 0 || pipe_has_writer_or_bytes(descriptor) != 0 else {
                throw FileError(path, .cannotRead("nobody has written to it for \(writerPatience / 1000) s"))
            }
            return
        }
    }

    /// Everything up to the end.
    /// - Parameter limit: the most bytes to be read.
    /// - Throws: `tooLarge`, before anything is read where a regular file tells its size; `cannotRead`.
    public func readAll(atMost limit: Int) throws(FileError) -> [UInt8] {
        guard size <= limit else { throw FileError(path, .tooLarge(limit: limit)) }
        return try Files.readAll(of: descriptor, path, expecting: size, atMost: limit)
    }
}

/// The bytes of a file.
/// - Parameters:
///   - path: the file.
///   - limit: the most bytes to be read; a larger file is refused.
///   - streams: whether pipes (`<(…)`), `/dev/stdin` and devices are read too, up to their end or the limit.
/// - Throws: `FileError`.
public func readFile(_ path: String, atMost limit: Int, streams: Bool = false) throws(FileError) -> [UInt8] {
    try InputFile(path, streams: streams).readAll(atMost: limit)
}

/// Everything that comes on standard input, up to its end.
/// - Throws: `tooLarge`; `cannotRead`, where it is closed or a directory.
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
