import Glibc

/// Makes a directory, and those above it, unless they are there.
/// - Throws: `cannotWrite`, also where something that is no directory stands in the way.
public func makeDirectory(at path: String) throws(FileError) {
    if FileKind(of: path) == .directory { return }
    if let slash = path.lastIndex(of: "/"), slash > path.startIndex { try makeDirectory(at: String(path[..<slash])) }
    guard mkdir(path, 0o777) == 0 || FileKind(of: path) == .directory else { throw FileError(path, .cannotWrite(systemError())) }
}
