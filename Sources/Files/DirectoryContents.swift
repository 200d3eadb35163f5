import Glibc

/// Creates a directory and its missing parents, and checks that files can be created in it.
/// - Throws: `cannotWrite`, also if a component of the path exists and is not a directory.
public func prepareDirectory(at path: String) throws(FileError) {
    try makeDirectory(at: path)
    guard access(path, W_OK | X_OK) == 0 else { throw FileError(path, .cannotWrite(systemError())) }
}

/// Whether a path exists; symbolic links are followed.
public func fileExists(_ path: String) -> Bool { access(path, F_OK) == 0 }

/// The names of a directory's entries, sorted, without `.` and `..`; empty if the path is not a readable directory.
public func fileNames(in directory: String) -> [String] {
    guard let entries = opendir(directory) else { return [] }
    defer { closedir(entries) }
    var names: [String] = []
    while let entry = readdir(entries) {
        let name = withUnsafeBytes(of: &entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
        if name != ".", name != ".." { names.append(name) }
    }
    return names.sorted()
}

/// Removes the temporary files of `replaceFile` that processes which no longer run have left in a directory.
public func removeUnfinished(in directory: String) {
    for name in fileNames(in: directory) where isAbandoned(name) { unlink("\(directory)/\(name)") }
}

/// Waits until the renames, links and removals in a directory are on disk (`fsync` of the directory).
/// Does nothing on a file system that cannot sync directories.
public func syncDirectory(_ path: String) {
    let descriptor = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard descriptor >= 0 else { return }
    fsync(descriptor)
    close(descriptor)
}
