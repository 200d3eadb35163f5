import CLinux
import Glibc

/// Holds an ipc endpoint for one process.
///
/// ZeroMQ lets a second process bind the same path and silently take it over. A lock on a file beside it prevents
/// that, and makes it safe to remove what a crashed process has left behind. The lock file itself stays.
struct EndpointLock: ~Copyable {
    private let descriptor: Int32
    private let path: String

    init(_ endpoint: Endpoint, path: String) throws(MessagingError) {
        let attempt = "bind \(endpoint)"
        try Self.openDirectory(of: path, attempt: attempt)
        let descriptor = open(path + ".lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else {
            throw MessagingError(attempt, "\(path).lock cannot be opened: \(String(cString: strerror(errno)))")
        }
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            close(descriptor)
            throw MessagingError(attempt, "another process holds it; stop that one or choose another path")
        }
        guard Self.removeSocket(at: path) else {
            close(descriptor)
            throw MessagingError(attempt, "\(path) is there and is not a socket; choose another path")
        }
        self.descriptor = descriptor
        self.path = path
    }

    deinit {
        unlink(path)
        close(descriptor)
    }

    /// Removes the socket that a crashed process has left. False when the path holds something else.
    private static func removeSocket(at path: String) -> Bool {
        var status = stat()
        guard lstat(path, &status) == 0 else { return true }
        guard status.st_mode & S_IFMT == S_IFSOCK else { return false }
        unlink(path)
        return true
    }

    /// Creates the directory where it is missing; nobody else may have access to it.
    private static func openDirectory(of path: String, attempt: String) throws(MessagingError) {
        let directory = String(path[..<(path.lastIndex(of: "/") ?? path.startIndex)])
        var status = stat()
        if stat(directory, &status) != 0 {
            guard mkdir(directory, 0o700) == 0 || errno == EEXIST, stat(directory, &status) == 0 else {
                throw MessagingError(attempt, "the directory \(directory) cannot be made: \(String(cString: strerror(errno)))")
            }
        }
        guard status.st_uid == geteuid(), status.st_mode & 0o077 == 0 else {
            throw MessagingError(
                attempt, "others may enter \(directory); choose a directory that only you can enter (mode 0700)")
        }
    }
}
