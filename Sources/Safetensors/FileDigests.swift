import Files
import Glibc

/// The SHA-256 digests of a directory's files, stored in its file `SHA256SUMS`, which `sha256sum -c SHA256SUMS` can check too.
public struct FileDigests: Equatable, Sendable {
    /// The name of the file that holds the digests.
    public static let name = "SHA256SUMS"

    /// SHA-256 in lower-case hexadecimal, by file name.
    public let digests: [String: String]

    init(_ digests: [String: String]) { self.digests = digests }

    /// Reads a directory's `SHA256SUMS`; nil if there is none.
    /// - Throws: `FileError`; `FileDamage` if the file is not in the format of `sha256sum`.
    public init?(of directory: String) throws {
        let path = "\(directory)/\(Self.name)"
        guard fileExists(path) else { return nil }
        let text = String(decoding: try readFile(path, atMost: Self.largest), as: UTF8.self)
        guard let digests = Self.parse(text) else { throw FileDamage("\(path) is damaged: it is not a list of digests") }
        self.digests = digests
    }

    /// The maximum size of `SHA256SUMS`, in bytes.
    private static let largest = 1 << 20

    /// Parses exactly the format that `text` writes; any deviation counts as damage.
    private static func parse(_ text: String) -> [String: String]? {
        guard text.hasSuffix("\n") else { return nil }
        var digests: [String: String] = [:]
        for line in text.dropLast().split(separator: "\n", omittingEmptySubsequences: false) {
            let digest = line.prefix(64), name = String(line.dropFirst(66))
            guard digest.utf8.count == 64, digest.allSatisfy({ $0.isASCII && $0.isHexDigit && !$0.isUppercase }),
                line.dropFirst(64).hasPrefix("  "), isPlain(name), digests.updateValue(String(digest), forKey: name) == nil
            else { return nil }
        }
        return digests
    }

    private static func isPlain(_ name: String) -> Bool {
        !name.isEmpty && !name.hasPrefix(".") && !name.contains("/") && name != Self.name
    }

    /// The contents of `SHA256SUMS`, ordered by name.
    var text: String { digests.sorted { $0.key < $1.key }.map { "\($0.value)  \($0.key)\n" }.joined() }

    /// Compares files with their digests; files without a digest are not checked.
    /// - Parameters:
    ///   - directory: the directory of the files.
    ///   - wanted: the names of the files to check; nil for all that have a digest.
    /// - Throws: `FileDamage` for the first file that cannot be read or differs.
    public func check(_ directory: String, _ wanted: [String]? = nil) throws(FileDamage) {
        for name in wanted ?? digests.keys.sorted() {
            guard let digest = digests[name] else { continue }
            let path = "\(directory)/\(name)", storage: ByteStorage
            do { storage = try ByteStorage(mapping: path) } catch { throw FileDamage("\(error)") }
            guard SHA256.hex(of: storage.first) == digest else {
                throw FileDamage("\(path) is damaged: it does not match \(Self.name)")
            }
        }
    }
}

extension FileDigests {
    /// Reads a directory's `SHA256SUMS` and checks its files. If another process is writing the directory at the same time, the check is
    /// repeated.
    /// - Parameters:
    ///   - directory: the directory.
    ///   - wanted: whether a listed file is to be checked.
    /// - Returns: the digests; nil if there is no `SHA256SUMS`.
    /// - Throws: `FileError`; `FileDamage` if a file differs from its digest.
    public static func checked(_ directory: String, _ wanted: (String) -> Bool = { _ in true }) throws -> FileDigests? {
        func list() -> [UInt8]? { try? readFile("\(directory)/\(name)", atMost: largest) }
        for _ in 0..<attempts {
            let before = list()
            do { return try checkedOnce(directory, wanted) } catch {
                guard list() != before || fileExists("\(directory)/\(CheckpointDirectory.next)") else { throw error }
                usleep(pause)
            }
        }
        return try checkedOnce(directory, wanted)
    }

    private static func checkedOnce(_ directory: String, _ wanted: (String) -> Bool) throws -> FileDigests? {
        guard let digests = try FileDigests(of: directory) else { return nil }
        try digests.check(directory, digests.digests.keys.filter(wanted).sorted())
        return digests
    }

    /// How often the check is repeated, and the pause before each repetition in microseconds.
    private static let attempts = 25
    private static let pause: UInt32 = 20_000
}

/// A file whose contents differ from their digest, or a checkpoint of which no complete copy is left.
public struct FileDamage: Error, Equatable, CustomStringConvertible {
    public let description: String

    init(_ description: String) { self.description = description }
}
