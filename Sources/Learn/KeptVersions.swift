import Files
import Foundation
import Learning
import Messaging
import Model
import Pipeline
import Safetensors
import Tensors

/// Versions that were published earlier, to which an operator can go back: the serving model's files of some checkpoints.
///
/// They lie in `kept/VERSION` of the directory of checkpoints, as hard links where there are any. Of many, those stay whose ages are spread
/// evenly on a logarithmic scale, the first and the newest among them.
struct KeptVersions {
    private let directory: String, most: Int
    /// Ascending.
    private(set) var versions: [UInt64] = []

    /// Finds what is kept. What a killed process has left unfinished is removed.
    /// - Parameters:
    ///   - directory: of checkpoints; empty: nothing is kept.
    ///   - most: how many versions are kept.
    init(directory: String, most: Int) {
        (self.directory, self.most) = (directory.isEmpty ? "" : directory + "/kept", directory.isEmpty ? 0 : most)
        guard !self.directory.isEmpty, let names = try? FileManager.default.contentsOfDirectory(atPath: self.directory) else { return }
        for version in names.compactMap({ UInt64($0) }) {
            if fileExists("\(path(of: version))/\(FileDigests.name)") { versions.append(version) } else { remove(version) }
        }
        versions.sort()
        thin()
    }

    private func path(of version: UInt64) -> String { "\(directory)/\(version)" }

    /// Keeps the serving model of the checkpoint that was written last.
    /// - Throws: `FileDamage`, `FileError`; then the versions before stay as they are.
    mutating func keep(_ version: UInt64, of checkpoints: String) throws {
        guard most > 0, version > versions.last ?? 0 else { return }
        try prepareDirectory(at: directory)
        do {
            try CheckpointDirectory(checkpoints).keep(in: path(of: version), where: CheckpointStore.isServed)
        } catch {
            remove(version)
            throw error
        }
        versions.append(version)
        thin()
    }

    /// Removes versions until there are no more than are kept.
    private mutating func thin() {
        while versions.count > most { remove(versions.remove(at: Self.leastMissed(versions))) }
    }

    /// The place of the version whose neighbours are closest for its age; never the newest.
    static func leastMissed(_ versions: [UInt64]) -> Int {
        guard versions.count > 2, let newest = versions.last else { return 0 }
        func gap(_ place: Int) -> Double {
            Double(versions[place + 1] - versions[place - 1]) / Double(newest - versions[place - 1])
        }
        return (1..<versions.count - 1).min { gap($0) < gap($1) } ?? 0
    }

    private func remove(_ version: UInt64) {
        // What cannot be removed is found and removed at the next start.
        try? CheckpointDirectory(path(of: version)).remove()
    }

    /// Removes all, where the model begins anew.
    mutating func removeAll() {
        for version in versions { remove(version) }
        versions = []
    }

    /// The weights of the newest version kept that is not after one.
    /// - Throws: `badOrder` where none is kept, or it cannot be read.
    func weights(notAfter wanted: UInt64, of model: MultimodalModel) throws(Refusal) -> (version: UInt64, ParameterStore<Float>) {
        guard let version = versions.last(where: { $0 <= wanted }) else {
            let known = versions.isEmpty ? "none is (learn.keptVersions)" : versions.map(String.init).joined(separator: ", ")
            throw Refusal(.badOrder, "no version up to \(wanted) is kept; kept: \(known)")
        }
        let store = ParameterStore<Float>(model.layout)
        do {
            try CheckpointStore.copy(model, of: path(of: version), into: store)
            try requireFinite(store.values, "version \(version)")
        } catch {
            throw Refusal(.badOrder, "version \(version) cannot be read: \(error)")
        }
        return (version, store)
    }
}
