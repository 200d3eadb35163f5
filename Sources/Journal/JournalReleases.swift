import Files

/// Which records of a journal its readers still need: each reader leaves a file beside the segments with the ordinal up to which it has
/// kept, in a checkpoint of its own, what the records made of it.
public enum JournalReleases {
    private static let suffix = ".reached"
    private static let mostBytes = 64

    /// Records that a reader's newest checkpoint holds everything up to this ordinal.
    /// - Parameter reader: its name, a part of a file's name.
    /// - Throws: `FileError`.
    public static func set(_ ordinal: UInt64, by reader: String, in directory: String) throws(FileError) {
        try makeDirectory(at: directory)
        try replaceFile(at: "\(directory)/\(reader)\(suffix)", with: "\(ordinal)\n")
    }

    /// The ordinal that a reader has recorded; nil where it has none.
    public static func ordinal(by reader: String, in directory: String) -> UInt64? { number(in: "\(directory)/\(reader)\(suffix)") }

    /// The ordinal up to which no reader needs records. A reader that has never recorded one needs none; a file that cannot be read
    /// releases nothing.
    public static func released(in directory: String) -> UInt64 {
        fileNames(in: directory).filter { $0.hasSuffix(suffix) }.map { number(in: "\(directory)/\($0)") ?? 0 }.min() ?? .max
    }

    private static func number(in path: String) -> UInt64? {
        guard let bytes = try? readFile(path, atMost: mostBytes) else { return nil }  // none yet
        return UInt64(String(decoding: bytes, as: UTF8.self).prefix { $0.isNumber })
    }
}
