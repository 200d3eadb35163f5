import Glibc

/// Makes a directory, and those that it lies in, unless they are there, and says whether files may be made in it.
/// - Throws: `cannotWrite`, also where something that is no directory stands in the way.
public func prepareDirectory(at path: String) throws(FileError) {
    if let kind = FileKind(of: path), kind != .directory { throw FileError(path, .cannotWrite("it is \(kind.rawValue), not a directory")) }
    try makeDirectory(at: path)
    guard access(path, W_OK | X_OK) == 0 else { throw FileError(path, .cannotWrite(systemError())) }
}

/// Whether anything is at a path, symbolic links followed.
public func fileExists(_ path: String) -> Bool { access(path, F_OK) == 0 }

/// The names of what a directory holds, in order; none where it is no directory.
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

/// Removes what processes that have ended left unfinished in a directory, whatever they were replacing.
public func removeUnfinished(in directory: String) {
    for name in fileNames(in: directory) where isAbandoned(name) { unlink("\(directory)/\(name)") }
}

/// Waits until what was renamed, linked and removed in a directory is on the disk. A file system that cannot sync directories keeps its own promise.
public func syncDirectory(_ path: String) {
    let descriptor = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard descriptor >= 0 else { return }
    fsync(descriptor)
    close(descriptor)
}
