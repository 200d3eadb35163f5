import Files
import Foundation
import StrictJSON
import Synchronization

/// What people call the labels: a name that is new gets the least label that has none, so labels are named while the graph runs.
///
/// The model has a fixed number of labels (`model.classes`), which are numbers to it; the names are kept here, for every phone, across
/// restarts.
final class LabelNames: Sendable {
    /// Why a name cannot be used.
    enum Problem: Error, Equatable {
        /// It is empty, too long, or not of printable characters.
        case invalid
        /// All labels have other names.
        case full
        /// It could not be stored.
        case unstored(String)
    }

    /// The longest name, in characters and in bytes.
    static let longest = 60, longestBytes = 240
    private static let mostFileBytes = 1 << 24

    private let names: Mutex<[Int: String]>
    /// Empty: nothing is stored.
    private let path: String
    private let most: Int

    /// - Parameters:
    ///   - directory: where names are stored; empty: nowhere.
    ///   - most: the most names.
    /// - Throws: `FileError`, or the problem of a file that holds no names.
    init(in directory: String, most: Int) throws {
        self.most = most
        path = directory.isEmpty ? "" : directory + "/names.json"
        guard !path.isEmpty, fileExists(path) else {
            names = Mutex([:])
            return
        }
        let json = try JSON(parsing: try readFile(path, atMost: Self.mostFileBytes)[...])
        var found: [Int: String] = [:]
        guard let members = json.object else { throw FileError(path, .cannotRead("it is no JSON object")) }
        for (label, name) in members {
            guard let number = Int(label), number >= 0, let name = name.string.flatMap(Self.plain) else {
                throw FileError(path, .cannotRead("'\(label.prefix(40))' is no label with its name"))
            }
            found[number] = name
        }
        names = Mutex(found)
    }

    /// `{"0": "teapot"}`
    var json: JSON { .object(Dictionary(uniqueKeysWithValues: names.withLock { $0 }.map { ("\($0.key)", JSON.string($0.value)) })) }

    /// The label that is called by a name, whatever its case; a new name gets one, and is stored before it is used.
    /// - Parameter classes: how many labels there are.
    /// - Returns: the label, and whether the name is new.
    func label(of name: String, among classes: Int) throws(Problem) -> (label: Int, isNew: Bool) {
        guard let plain = Self.plain(name) else { throw .invalid }
        return try names.withLock { names throws(Problem) in
            if let known = names.first(where: { $0.value.lowercased() == plain.lowercased() }) {
                guard known.key < classes else { throw .full }
                return (known.key, false)
            }
            guard names.count < most, let free = (0..<max(0, min(classes, most))).first(where: { names[$0] == nil }) else { throw .full }
            var next = names
            next[free] = plain
            try store(next)
            names = next
            return (free, true)
        }
    }

    private func store(_ names: [Int: String]) throws(Problem) {
        guard !path.isEmpty else { return }
        let json = JSON.object(Dictionary(uniqueKeysWithValues: names.map { ("\($0.key)", JSON.string($0.value)) }))
        do {
            try replaceFile(at: path, with: json.text() + "\n")
        } catch {
            throw .unstored("\(error)")
        }
    }

    /// A name without spaces around it; nil where it is none.
    private static func plain(_ name: String) -> String? {
        guard name.utf8.count <= longestBytes else { return nil }
        let trimmed = name.trimmingCharacters(in: .whitespacesAndNewlines)
        let isPlain = trimmed.unicodeScalars.allSatisfy {
            !CharacterSet.controlCharacters.contains($0) && !CharacterSet.newlines.contains($0)
        }
        return (1...longest).contains(trimmed.count) && isPlain ? trimmed : nil
    }
}
