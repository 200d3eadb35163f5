import Glibc

/// A new file that is written from its beginning to its end, and closed when this value is destroyed. What has been appended outlasts a
/// crash of this process; `sync` makes it outlast one of the machine.
public struct OutputFile: ~Copyable, Sendable {
    public let path: String
    private let descriptor: Int32

    /// Creates the file.
    /// - Throws: `cannotWrite`, also if there is already a file.
    public init(creating path: String) throws(FileError) {
        descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { throw FileError(path, .cannotWrite(systemError())) }
        self.path = path
    }

    deinit { close(descriptor) }

    /// Appends bytes.
    /// - Throws: `cannotWrite`; a part of them may have been written.
    public func append(_ bytes: [UInt8]) throws(FileError) {
        do {
            try bytes.withUnsafeBytes { try Files.append($0, to: descriptor, path) }
        } catch let error as FileError {
            throw error
        } catch {
            throw FileError(path, .cannotWrite("\(error)"))
        }
    }

    /// Waits until everything is on disk.
    /// - Throws: `cannotWrite`.
    public func sync() throws(FileError) {
        guard fsync(descriptor) == 0 else { throw FileError(path, .cannotWrite(systemError())) }
    }
}
