import Files
import Foundation

/// Puts directories that were written anew in the place of the old ones: all of them, or none.
///
/// While they are written the file `forgetting.json` of the run says `writing`. It is replaced by one that says `written` when all are on disk: from then on
/// the new ones count, and whoever comes completes the change. At the end it says `done`.
public struct ForgettingChange: Sendable {
    /// The run's directory.
    let directory: String
    /// Directories, as they are called while they count.
    let targets: [String]
    /// Called before each step. Tests throw from it, as a crash would end it there.
    var beforeStep: @Sendable () throws -> Void = {}

    /// Where a change is, as its file says it.
    public enum State: String, Codable, Sendable {
        case writing, written, done
    }

    private struct Manifest: Codable {
        var state: State
        var directories: [String]
    }

    public static let name = "forgetting.json"
    private static let mostBytes = 1 << 16
    private var file: String { "\(directory)/\(Self.name)" }

    init(directory: String, targets: [String]) { (self.directory, self.targets) = (directory, targets) }

    /// The change of a run that was begun; nil where none was.
    /// - Throws: `FileError`, or the error of a file that is none.
    public init?(of directory: String) throws {
        guard fileExists("\(directory)/\(Self.name)") else { return nil }
        let bytes = try readFile("\(directory)/\(Self.name)", atMost: Self.mostBytes)
        let manifest = try JSONDecoder().decode(Manifest.self, from: Data(bytes))
        self.init(directory: directory, targets: manifest.directories)
    }

    var readings: String { targets[0] }
    var moments: String { targets[1] }
    func new(_ target: String) -> String { target + ".new" }
    private func old(_ target: String) -> String { target + ".old" }

    /// Where the change is.
    public var state: State? {
        guard let bytes = try? readFile(file, atMost: Self.mostBytes) else { return nil }
        return try? JSONDecoder().decode(Manifest.self, from: Data(bytes)).state
    }

    private func note(_ state: State) throws {
        try beforeStep()
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        let text = String(decoding: try encoder.encode(Manifest(state: state, directories: targets)), as: UTF8.self)
        try replaceFile(at: file, with: text + "\n")
    }

    /// Begins to write.
    func begin() throws {
        try finish()
        try note(.writing)
    }

    /// Everything has been written: it counts from now on.
    func commit() throws {
        try note(.written)
        try finish()
    }

    /// Completes a change that counts, or removes what was left of one that does not.
    /// - Throws: the error of a file system; called again, it goes on.
    public func finish() throws {
        switch state {
        case .written: for target in targets { try replace(target) }
        case .writing: for target in targets { try remove(new(target)) }
        case .done, nil: return
        }
        for target in targets { try remove(old(target)) }
        try note(.done)
    }

    private func replace(_ target: String) throws {
        guard fileExists(new(target)) else { return }  // it has been
        if fileExists(target) {
            try remove(old(target))
            try move(target, to: old(target))
        }
        try move(new(target), to: target)
    }

    private func move(_ from: String, to path: String) throws {
        try beforeStep()
        guard rename(from, path) == 0 else { throw FileError(path, .cannotWrite(String(cString: strerror(errno)))) }
        syncDirectory(String(path[..<(path.lastIndex(of: "/") ?? path.startIndex)]))
    }

    private func remove(_ path: String) throws {
        guard fileExists(path) else { return }
        try beforeStep()
        try FileManager.default.removeItem(atPath: path)
    }
}
