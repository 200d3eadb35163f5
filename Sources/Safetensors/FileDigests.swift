import Files
import Glibc

/// The digests of a directory's files, as `SHA256SUMS` holds them: `sha256sum -c SHA256SUMS` checks the same.
public struct FileDigests: Equatable, Sendable {
    /// What the list itself is called.
    public static let name = "SHA256SUMS"

    /// SHA-256 in lower-case hexadecimal, by the file's name.
    public let digests: [String: String]

    init(_ digests: [String: String]) { self.digests = digests }

    /// Reads a directory's list.
    /// - Returns: nil where there is none.
    /// - Throws: `FileError`; `FileDamage` where it is no such list.
    public init?(of directory: String) throws {
        let path = "\(directory)/\(Self.name)"
        guard fileExists(path) else { return nil }
        let text = String(decoding: try readFile(path, atMost: Self.largest), as: UTF8.self)
        guard let digests = Self.parse(text) else { throw FileDamage("\(path) is damaged: it is not a list of digests") }
        self.digests = digests
    }

    /// A list is never longer than this, in bytes.
    private static let largest = 1 << 20

    /// Everything is as it is written here, to the last byte: a list that is nearly right is not trusted.
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

    /// As it stands in the file, ordered by name.
    var text: String { digests.sorted { $0.key < $1.key }.map { "\($0.value)  \($0.key)\n" }.joined() }

    /// Says which of these files is not what the list says; files that are not listed are not looked at.
    /// - Parameter wanted: nil: all that are listed.
    /// - Throws: `FileDamage`.
    public func check(_ directory: String, _ wanted: [String]? = nil) throws(FileDamage) {
        for name in wanted ?? digests.keys.sorted() {
            guard let digest = digests[name] else { continue }
            let path = "\(directory)/\(name)", storage: ByteStorage
            do { storage = try ByteStorage(mapping: path) } catch { throw FileDamage("\(error)") }
            guard SHA256.hex(of: storage.bytes) == digest else {
                throw FileDamage("\(path) is damaged: it is not what \(Self.name) beside it says")
            }
        }
    }
}

extension FileDigests {
    /// A directory's list, where its files are what the list says. Whoever writes may be at work meanwhile: then it is looked at again.
    /// - Parameter wanted: which of the listed files are looked at.
    /// - Returns: nil where there is no list.
    /// - Throws: `FileError`, `FileDamage`.
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

    /// How often, and after how many microseconds, a reader looks again.
    private static let attempts = 25
    private static let pause: UInt32 = 20_000
}

/// A file that is not what was written.
public struct FileDamage: Error, Equatable, CustomStringConvertible {
    public let description: String

    init(_ description: String) { self.description = description }
}
