import Glibc

/// Reads a file that holds a secret, or that decides who is trusted: it must be this user's own, and nobody else may read or write it.
/// - Parameter limit: the maximum number of bytes.
/// - Throws: `FileError`; `cannotRead` where others have access to the file, where it is a symbolic link, or where others may write to its
///   directory.
public func readPrivateFile(_ path: String, atMost limit: Int) throws(FileError) -> [UInt8] {
    let place = directory(of: path)
    var status = stat()
    guard lstat(path, &status) == 0 else { throw FileError(path, .cannotOpen(systemError())) }
    guard status.st_mode & S_IFMT == S_IFREG else { throw FileError(path, .cannotRead("it is no regular file")) }
    let file = try InputFile(path)
    guard fstat(file.descriptor, &status) == 0 else { throw FileError(path, .cannotRead(systemError())) }
    guard status.st_uid == geteuid() else { throw FileError(path, .cannotRead("it belongs to another user")) }
    guard status.st_mode & 0o077 == 0 else { throw FileError(path, .cannotRead("others have access to it; chmod 600 \(path)")) }
    guard stat(place, &status) == 0, status.st_uid == geteuid(), status.st_mode & 0o022 == 0 else {
        throw FileError(path, .cannotRead("others may write to its directory; chmod 700 \(place)"))
    }
    return try file.readAll(atMost: limit)
}

/// Replaces a file atomically, as `replaceFile(at:fill:)` does; the new one has mode 0600 from the start.
/// - Throws: `cannotWrite`.
public func replacePrivateFile(at path: String, with text: String) throws(FileError) {
    try replaceRegularFile(at: path, mode: 0o600) { append in try Array(text.utf8).withUnsafeBytes(append) }
}

/// Creates a directory that only this user can enter, with its missing parents; does nothing where it exists.
/// - Throws: `cannotWrite`, also where others may write to an existing one.
public func makePrivateDirectory(at path: String) throws(FileError) {
    if FileKind(of: path) == nil {
        try makeDirectory(at: directory(of: path))
        guard mkdir(path, 0o700) == 0 || errno == EEXIST else { throw FileError(path, .cannotWrite(systemError())) }
    }
    var status = stat()
    guard stat(path, &status) == 0, status.st_uid == geteuid(), status.st_mode & 0o022 == 0 else {
        throw FileError(path, .cannotWrite("it is another user's, or others may write to it; chmod 700 \(path)"))
    }
}
