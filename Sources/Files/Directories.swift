import Glibc

/// Creates a directory and its missing parents; does nothing if it exists.
/// - Throws: `cannotWrite`, also if a component of the path exists and is not a directory.
public func makeDirectory(at path: String) throws(FileError) {
    if FileKind(of: path) == .directory { return }
    if let slash = path.lastIndex(of: "/"), slash > path.startIndex { try makeDirectory(at: String(path[..<slash])) }
    guard mkdir(path, 0o777) == 0 || FileKind(of: path) == .directory else { throw FileError(path, .cannotWrite(systemError())) }
}
