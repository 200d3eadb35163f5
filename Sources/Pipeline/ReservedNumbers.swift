import Files
import Foundation
import Statistics

/// Numbers that are given out once only, across restarts: so many are reserved ahead in a file, and whoever starts again after a crash goes on
/// behind all that were reserved.
package struct ReservedNumbers {
    /// Numbers reserved at a time: a crash leaves out this many at most, and one write serves as many.
    private static let ahead: UInt64 = 1024
    private static let maximumBytes = 4096
    /// No file that was written by this takes more than this; anything greater is damage.
    package static let most = UInt64(1) << 62

    /// Empty: nothing is kept.
    private let path: String
    private let owner: String
    /// Numbers up to this may have been given out.
    package private(set) var reserved: UInt64 = 0

    /// - Parameters:
    ///   - directory: empty: nothing is kept.
    ///   - owner: who gives the numbers out again in the same way where it begins again, so that its own need not be left out; empty: nobody.
    package init(directory: String, name: String, owner: String = "") {
        path = directory.isEmpty ? "" : "\(directory)/\(name)"
        self.owner = owner.filter { !$0.isNewline }
        guard !path.isEmpty, let bytes = try? readFile(path, atMost: Self.maximumBytes) else { return }  // none yet is none
        let lines = String(decoding: bytes, as: UTF8.self).split(separator: "\n", omittingEmptySubsequences: false)
        guard let number = lines.first.flatMap({ UInt64($0) }), number <= Self.most else { return }
        if self.owner.isEmpty || lines.dropFirst().first.map(String.init) != self.owner { reserved = number }
    }

    /// Reserves `number` and those after it, unless it is reserved already.
    /// - Throws: `FileError`, and what keeps the directory from being made; the number may be given out all the same.
    package mutating func cover(_ number: UInt64) throws {
        guard !path.isEmpty, number > reserved else { return }
        reserved = number.clampedAdding(Self.ahead)
        try write()
    }

    /// An orderly end: numbers behind `number` were not given out.
    package mutating func settle(at number: UInt64) throws {
        guard !path.isEmpty, number < reserved else { return }
        reserved = number
        try write()
    }

    private func write() throws {
        try FileManager.default.createDirectory(
            atPath: String(path[..<(path.lastIndex(of: "/") ?? path.endIndex)]), withIntermediateDirectories: true)
        try replaceFile(at: path, with: "\(reserved)\n\(owner)\n")
    }
}
