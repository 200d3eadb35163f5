import Foundation
import Model
import Safetensors
import Statistics
import Tensors

/// Saves and restores a training in one file: the parameters that learn, the optimiser's moments, and the position in the text. A
/// restored training continues exactly.
extension TextTrainer {
    private struct State: Codable {
        var version = Self.newest
        var configuration: Configuration
        var model: String
        /// The digest of the text and of the parameters that do not learn.
        var digest: String
        var steps: Int
        var skipped: Int
        var optimizer: Optimizer.State.Progress
        var cursor: TextWindows.Cursor

        static let newest = 1

        /// Whether the counts of a file, which may come from anywhere, are in a valid range.
        var isPlausible: Bool {
            [steps, skipped, optimizer.steps, optimizer.skipped, cursor.epoch, cursor.place].allSatisfy { (0...(1 << 53)).contains($0) }
                && optimizer.rateScale.isFinite && optimizer.rateScale > 0
        }
    }

    /// A checkpoint that does not belong to this training.
    public struct Mismatch: Error, CustomStringConvertible {
        public let description: String
    }

    /// Writes the checkpoint, and moves the previous file to the directory `previous/` next to it. `SHA256SUMS` files have their digests.
    /// - Throws: `FileError`.
    public func save(to path: String) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = .sortedKeys
        let state = State(
            configuration: configuration, model: model.summary, digest: digest, steps: steps, skipped: skipped,
            optimizer: optimizer.progress, cursor: windows.cursor)
        let text = [UInt8](try encoder.encode(state))
        let tensors = places.map { TensorContent(name: $0.name, shape: $0.shape, values: UnsafeBufferPointer($0.numbers)) }
        let (directory, name) = Self.place(path)
        try CheckpointDirectory(directory).write([.init(name, tensors + [TensorContent(name: "state", bytes: text)])])
    }

    /// Restores a checkpoint, or the previous one if the file is damaged.
    /// - Returns: what is wrong with the file, if the previous one was used.
    /// - Throws: an error if the file cannot be read, or `Mismatch` if it does not fit; the trainer must not be used then.
    @discardableResult
    public func restore(from path: String) throws -> String? {
        let (directory, name) = Self.place(path)
        guard let opened = try CheckpointDirectory(directory).recover(), let newest = opened[name] else {
            throw Mismatch(
                description: "\(directory) has no \(FileDigests.name) to check \(name) with; move the file away to start again")
        }
        let archive = try TensorArchive(mapping: newest)
        let state: State
        do {
            state = try JSONDecoder().decode(State.self, from: try archive.tensor("state").withUnsafeBytes { Data($0) })
        } catch is DecodingError {
            throw Mismatch(description: "\(path) is not a training checkpoint of this version")
        }
        guard state.isPlausible else { throw Mismatch(description: "\(path) has invalid counts") }
        for (agrees, what) in [
            (state.version == State.newest, "version"), (state.model == model.summary, "model"),
            (state.configuration.json == configuration.json, "settings"), (state.digest == digest, "text or frozen weights"),
        ] where !agrees {
            throw Mismatch(description: "\(path) has another \(what); continue with the same, or start again with another path")
        }
        for place in places { _ = try archive.tensor(place.name, shape: place.shape) }
        for place in places { try archive.tensor(place.name).copy(into: place.numbers) }
        steps = state.steps
        skipped = state.skipped
        optimizer.progress = state.optimizer
        windows.go(to: state.cursor)
        return opened.damage
    }

    private static func place(_ path: String) -> (directory: String, name: String) {
        let url = URL(filePath: path)
        return (url.deletingLastPathComponent().path, url.lastPathComponent)
    }

    /// All arrays that training changes.
    private var places: [(name: String, shape: [Int], numbers: UnsafeMutableBufferPointer<Float>)] {
        let learned = graph.gradients.layout.parameters
        return learned.map { ("model.\($0.name)", $0.shape, parameters[$0.name]) }
            + zip(optimizer.rule.moments, optimizer.moments).flatMap { moment, store in
                learned.map { ("optimizer.\(moment).\($0.name)", $0.shape, store[$0.name]) }
            }
    }

    static func digest(_ tokens: [Int], _ model: TrunkModel, learned: ParameterLayout) -> String {
        var hash = SHA256()
        tokens.withUnsafeBytes { hash.update($0) }
        for parameter in model.parameters.layout.parameters where learned[parameter.name] == nil {
            hash.update(UnsafeRawBufferPointer(model.parameters[parameter.name]))
        }
        for (_, matrix) in model.parameters.frozen.sorted(by: { $0.key < $1.key }) { matrix.withUnsafeBytes { hash.update($0) } }
        return SHA256.hex(hash.digest())
    }
}
