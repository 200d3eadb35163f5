import Files
import Glibc

/// A directory on disk. One that writes holds a lock on it until it is released.
public final class DirectoryStorage: JournalStorage {
    public let path: String
    private let lock: DirectoryLock?

    /// The name of the lock file.
    private static let lockName = "journal.lock"

    /// - Parameters:
    ///   - path: the directory; created where it is missing, if it is to be written.
    ///   - writes: whether the journal is written; it has one writer at a time.
    ///   - patience: how long to wait while another process writes, in milliseconds.
    public init(_ path: String, writes: Bool, patience: Int = 0) throws(JournalError) {
        self.path = path
        do {
            lock = writes ? try DirectoryLock(path, name: Self.lockName, patience: patience) : nil
        } catch {
            throw JournalError("lock", path, error.cause)
        }
        if !writes, FileKind(of: path) != .directory { throw JournalError("open", path, "there is no such directory") }
    }

    private init(reading path: String) {
        self.path = path
        lock = nil
    }

    /// Without the lock, which is released with what writes.
    public var forReading: any JournalStorage { DirectoryStorage(reading: path) }

    public func names() throws(JournalError) -> [String] {
        guard FileKind(of: path) == .directory else { throw JournalError("list", path, "there is no such directory") }
        return fileNames(in: path)
    }

    public func create(_ name: String) throws(JournalError) -> any JournalOutput {
        let descriptor = Glibc.open(place(name), O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0o644)
        guard descriptor >= 0 else { throw failure("create", name) }
        return Output(descriptor, name)
    }

    public func open(_ name: String) throws(JournalError) -> any JournalInput {
        let descriptor = Glibc.open(place(name), O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
        guard descriptor >= 0 else { throw failure("open", name) }
        return Input(descriptor, name)
    }

    public func cut(_ name: String, to size: Int) throws(JournalError) {
        let descriptor = Glibc.open(place(name), O_WRONLY | O_CLOEXEC | O_NOFOLLOW)
        guard descriptor >= 0 else { throw failure("open", name) }
        defer { Glibc.close(descriptor) }
        guard ftruncate(descriptor, size) == 0 else { throw failure("cut", name) }
        guard fsync(descriptor) == 0 else { throw failure("sync", name) }
    }

    public func rename(_ name: String, to newName: String) throws(JournalError) {
        guard Glibc.rename(place(name), place(newName)) == 0 else { throw failure("rename", name) }
    }

    public func remove(_ name: String) throws(JournalError) {
        guard unlink(place(name)) == 0 || errno == ENOENT else { throw failure("remove", name) }
    }

    public func settle() throws(JournalError) {
        let descriptor = Glibc.open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw failure("open", path) }
        defer { Glibc.close(descriptor) }
        // A file system that cannot sync directories says EINVAL.
        guard fsync(descriptor) == 0 || errno == EINVAL else { throw failure("sync", path) }
    }

    private func place(_ name: String) -> String { "\(path)/\(name)" }

    private final class Output: JournalOutput {
        private var descriptor: Int32
        private let name: String

        init(_ descriptor: Int32, _ name: String) { (self.descriptor, self.name) = (descriptor, name) }
        deinit { close() }

        func write(_ bytes: UnsafeRawBufferPointer) throws(JournalError) -> Int {
            while true {
                let written = Glibc.write(descriptor, bytes.baseAddress, bytes.count)
                if written > 0 { return written }
                guard written < 0, errno == EINTR else { throw failure("write", name) }
            }
        }

        func sync() throws(JournalError) {
            guard fdatasync(descriptor) == 0 else { throw failure("sync", name) }
        }

        func close() {
            guard descriptor >= 0 else { return }
            Glibc.close(descriptor)
            descriptor = -1
        }
    }

    private final class Input: JournalInput {
        private let descriptor: Int32
        private let name: String

        init(_ descriptor: Int32, _ name: String) { (self.descriptor, self.name) = (descriptor, name) }
        deinit { close(descriptor) }

        var size: Int {
            get throws(JournalError) {
                var status = stat()
                guard fstat(descriptor, &status) == 0 else { throw failure("read", name) }
                return status.st_size
            }
        }

        func read(at offset: Int, into bytes: UnsafeMutableRawBufferPointer) throws(JournalError) -> Int {
            while true {
                let count = pread(descriptor, bytes.baseAddress, bytes.count, offset)
                if count >= 0 { return count }
                guard errno == EINTR else { throw failure("read", name) }
            }
        }
    }
}

private func failure(_ attempt: String, _ place: String) -> JournalError { JournalError(attempt, place, String(cString: strerror(errno))) }
