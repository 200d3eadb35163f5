import Files
import Foundation
import Safetensors
import Statistics
import Synchronization

/// The codes that are accepted, and which session each of them has opened.
final class AccessCodes: Sendable {
    /// What is known of a code: its place in the list.
    struct Holder: Sendable, Hashable { let index: Int }

    private let digests: [[UInt8]]
    private let owners: Mutex<RecentTable<String, Holder>>

    /// - Parameters:
    ///   - codes: one or more.
    ///   - maximumSessions: the most sessions; the one that has been silent for longest is forgotten.
    init(_ codes: [String], maximumSessions: Int) {
        digests = codes.map(Self.digest)
        owners = Mutex(RecentTable(capacity: maximumSessions))
    }

    /// The holder of a code; nil if it is none. The time that it takes does not depend on how much of it is right: digests are compared, of
    /// every code and whole.
    func holder(of code: String) -> Holder? {
        let given = Self.digest(code)
        var found: Holder?
        for (index, digest) in digests.enumerated() {
            var difference: UInt8 = 0
            for (a, b) in zip(digest, given) { difference |= a ^ b }
            if difference == 0 { found = Holder(index: index) }
        }
        return found
    }

    /// Whether a session belongs to this holder; one that nobody has opened becomes theirs.
    func claim(_ session: String, by holder: Holder) -> Bool {
        owners.withLock { owners in
            if let owner = owners[session], owner != holder { return false }
            owners.set(holder, for: session)
            return true
        }
    }

    /// Whether a session was opened by this holder.
    func owns(_ session: String, _ holder: Holder) -> Bool { owners.withLock { $0[session] == holder } }

    /// Whether a session belongs to this holder or to nobody.
    func mayWatch(_ session: String, _ holder: Holder) -> Bool { owners.withLock { $0[session] ?? holder } == holder }

    private static func digest(_ code: String) -> [UInt8] {
        var hash = SHA256()
        Array(code.utf8).withUnsafeBytes { hash.update($0) }
        return hash.digest()
    }

    /// The code of a directory; one is made if it has none.
    /// - Throws: `FileError`.
    static func code(in directory: String) throws(FileError) -> String {
        let path = directory + "/access-code"
        if FileKind(of: path) == nil {
            try makeDirectory(at: directory)
            try replaceFile(at: path, with: make() + "\n")
            chmod(path, 0o600)
        }
        return String(decoding: try readFile(path, atMost: 1024), as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
    }

    /// Sixteen letters and digits, without those that look alike: 79 bits.
    private static func make() -> String {
        let letters = Array("abcdefghjkmnpqrstuvwxyz23456789")
        var generator = SystemRandomNumberGenerator()
        return String((0..<16).map { _ in letters[Int.random(in: 0..<letters.count, using: &generator)] })
    }
}
