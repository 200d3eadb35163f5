import Glibc

/// Creates a directory and its missing parents; does nothing if it exists.
/// - Throws: `cannotWrite`, also if a component of the path exists and is not a directory; the message names it.
public func makeDirectory(at path: String) throws(FileError) {
    var missing: [String] = [], place = path
    while FileKind(of: place) == nil {
        missing.append(place)
        guard let slash = place.lastIndex(of: "/"), slash > place.startIndex else { break }
        place = String(place[..<slash])
    }
    if let kind = FileKind(of: place), kind != .directory {
        throw FileError(path, .cannotWrite("\(place == path ? "it" : place) is \(kind.rawValue), not a directory"))
    }
    for directory in missing.reversed() where mkdir(directory, 0o777) != 0 && errno != EEXIST {
        throw FileError(path, .cannotWrite(systemError()))
    }
}
