import CLinux
import Glibc

/// Keeps a directory for one process, or for those that share it, until the lock is released or the process ends, however it ends.
///
/// The lock is one on the file `lock` in it, which stays; the directory is made where it is missing.
public struct DirectoryLock: ~Copyable, Sendable {
    private let descriptor: Int32

    /// - Parameters:
    ///   - directory: what is kept.
    ///   - name: the file that carries the lock.
    ///   - isShared: whether others may share it.
    ///   - patience: how long to wait for whoever holds it, in milliseconds.
    /// - Throws: `cannotWrite` where the directory cannot be made or written to, or another process holds it.
    public init(_ directory: String, name: String = "lock", isShared: Bool = false, patience: Int = 0) throws(FileError) {
        try makeDirectory(directory)
        let path = "\(directory)/\(name)"
        let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o644)
        guard descriptor >= 0 else { throw FileError(path, .cannotWrite(systemError())) }
        var waited = 0
        while flock(descriptor, (isShared ? LOCK_SH : LOCK_EX) | LOCK_NB) != 0 {
            guard errno == EWOULDBLOCK || errno == EINTR, waited < patience else {
                let why = errno == EWOULDBLOCK ? "another process\(Self.holder(descriptor)) works in it" : systemError()
                close(descriptor)
                throw FileError(directory, .cannotWrite(why))
            }
            usleep(20_000)
            waited += 20
        }
        if !isShared {
            let text = Array("\(getpid())\n".utf8)
            _ = ftruncate(descriptor, 0)  // the number only tells whom to ask
            _ = pwrite(descriptor, text, text.count, 0)
        }
        self.descriptor = descriptor
    }

    deinit { close(descriptor) }

    /// Who wrote its number into the file, if anybody did.
    private static func holder(_ descriptor: Int32) -> String {
        var buffer = [UInt8](repeating: 0, count: 16)
        let count = pread(descriptor, &buffer, buffer.count, 0)
        guard count > 0, let process = Int32(String(decoding: buffer[..<count], as: UTF8.self).prefix { $0 != "\n" }) else { return "" }
        return " (\(process))"
    }
}

/// Makes a directory, and those above it, where they are missing.
/// - Throws: `cannotWrite`, also where something else stands there.
public func makeDirectory(_ path: String) throws(FileError) {
    var missing: [String] = []
    var place = path[...]
    while true {
        switch FileKind(of: String(place)) {
        case .directory: break
        case nil:
            missing.append(String(place))
            guard let slash = place.lastIndex(of: "/"), slash != place.startIndex else { break }
            place = place[..<slash]
            continue
        case let kind?: throw FileError(path, .cannotWrite("\(place == path ? "it" : String(place)) is \(kind.rawValue), not a directory"))
        }
        break
    }
    for directory in missing.reversed() where mkdir(directory, 0o777) != 0 && errno != EEXIST {
        throw FileError(path, .cannotWrite(systemError()))
    }
}
