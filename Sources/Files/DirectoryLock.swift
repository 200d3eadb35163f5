import CLinux
import Glibc

/// An exclusive or shared lock on a directory, held until this value is destroyed or the process ends, even by a crash.
///
/// The lock is `flock` on a file in the directory, which is not removed afterwards. The directory is created if it is missing.
public struct DirectoryLock: ~Copyable, Sendable {
    private let descriptor: Int32

    /// Acquires the lock.
    /// - Parameters:
    ///   - directory: the directory to lock.
    ///   - name: the name of the lock file.
    ///   - isShared: true for a shared lock, false for an exclusive one.
    ///   - patience: how long to wait while another process holds the lock, in milliseconds.
    /// - Throws: `cannotWrite` if the directory cannot be created or written to, or another process still holds the lock.
    public init(_ directory: String, name: String = "lock", isShared: Bool = false, patience: Int = 0) throws(FileError) {
        try makeDirectory(at: directory)
        let path = "\(directory)/\(name)"
        let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o644)
        guard descriptor >= 0 else { throw FileError(path, .cannotWrite(systemError())) }
        var waited = 0
        while flock(descriptor, (isShared ? LOCK_SH : LOCK_EX) | LOCK_NB) != 0 {
            guard errno == EWOULDBLOCK || errno == EINTR, waited < patience else {
                let why = errno == EWOULDBLOCK ? "another process\(Self.holder(descriptor)) is using it" : systemError()
                close(descriptor)
                throw FileError(directory, .cannotWrite(why))
            }
            usleep(20_000)
            waited += 20
        }
        if !isShared {
            let text = Array("\(getpid())\n".utf8)
            _ = ftruncate(descriptor, 0)  // the process number is only for the error message of another process
            _ = pwrite(descriptor, text, text.count, 0)
        }
        self.descriptor = descriptor
    }

    deinit { close(descriptor) }

    /// The number of the process that holds the lock, in parentheses; empty if the lock file names none.
    private static func holder(_ descriptor: Int32) -> String {
        var buffer = [UInt8](repeating: 0, count: 16)
        let count = pread(descriptor, &buffer, buffer.count, 0)
        guard count > 0, let process = Int32(String(decoding: buffer[..<count], as: UTF8.self).prefix { $0 != "\n" }) else { return "" }
        return " (\(process))"
    }
}
