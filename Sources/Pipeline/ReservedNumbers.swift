import Files
import Statistics

/// Numbers that are used only once, across restarts: a block of them is reserved in a file ahead of use, and a process that starts again
/// after a crash continues after all that were reserved.
package struct ReservedNumbers {
    /// Numbers reserved with one write: a crash skips at most this many.
    private static let ahead: UInt64 = 1024
    private static let maximumBytes = 4096
    /// The greatest number accepted: no run reaches it, so anything greater is damage.
    package static let most = UInt64(1) << 62

    /// Empty: nothing is stored.
    private let path: String
    private let owner: String
    /// Numbers up to this may have been used.
    package private(set) var reserved: UInt64 = 0

    /// - Parameters:
    ///   - directory: where the file is stored; empty: nothing is stored.
    ///   - name: of the file.
    ///   - owner: a run that repeats the same numbers when it starts again, so that its own reservations need not be skipped; empty:
    ///     none.
    package init(directory: String, name: String, owner: String = "") {
        path = directory.isEmpty ? "" : "\(directory)/\(name)"
        self.owner = owner.filter { !$0.isNewline }
        guard !path.isEmpty, let bytes = try? readFile(path, atMost: Self.maximumBytes) else { return }  // none yet is none
        let lines = String(decoding: bytes, as: UTF8.self).split(separator: "\n", omittingEmptySubsequences: false)
        guard let number = lines.first.flatMap({ UInt64($0) }), number <= Self.most else { return }
        if self.owner.isEmpty || lines.dropFirst().first.map(String.init) != self.owner { reserved = number }
    }

    /// Reserves `number` and those after it, unless it is reserved already.
    /// - Throws: `FileError`, or the error of creating the directory; the number may be used all the same.
    package mutating func cover(_ number: UInt64) throws {
        guard !path.isEmpty, number > reserved else { return }
        reserved = number.clampedAdding(Self.ahead)
        try write()
    }

    /// Releases the numbers after `number`, which were not used, at an orderly end.
    /// - Throws: as `cover` does.
    package mutating func settle(at number: UInt64) throws {
        guard !path.isEmpty, number < reserved else { return }
        reserved = number
        try write()
    }

    private func write() throws {
        try makeDirectory(at: String(path[..<(path.lastIndex(of: "/") ?? path.endIndex)]))
        try replaceFile(at: path, with: "\(reserved)\n\(owner)\n")
    }
}
