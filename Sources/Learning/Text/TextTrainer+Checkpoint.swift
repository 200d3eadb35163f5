import Foundation
import Model
import Safetensors
import Statistics
import Tensors

/// One file from which training goes on exactly: what learns, the optimiser's moments, and the place in the text.
extension TextTrainer {
    private struct State: Codable {
        var version = Self.newest
        var configuration: Configuration
        var model: String
        /// Of the text, and of everything that does not learn.
        var digest: String
        var steps: Int
        var skipped: Int
        var optimizer: Optimizer.State.Progress
        var cursor: TextWindows.Cursor

        static let newest = 1

        /// What is read is taken as if it came from outside: counts grow by one, and must be able to.
        var isPlausible: Bool {
            [steps, skipped, optimizer.steps, optimizer.skipped, cursor.epoch, cursor.place].allSatisfy { (0...(1 << 53)).contains($0) }
                && optimizer.rateScale.isFinite && optimizer.rateScale > 0
        }
    }

    /// A checkpoint that is not of this training.
    public struct Mismatch: Error, CustomStringConvertible {
        public let description: String
    }

    /// Replaces the file whole, and keeps the one before in `previous/` beside it; `SHA256SUMS` there holds its digest. Throws `FileError`.
    public func save(to path: String) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = .sortedKeys
        let state = State(
            configuration: configuration, model: "\(model.configuration)", digest: digest, steps: steps, skipped: skipped,
            optimizer: optimizer.progress, cursor: windows.cursor)
        let text = [UInt8](try encoder.encode(state))
        let tensors = places.map { TensorContent(name: $0.name, shape: $0.shape, values: UnsafeBufferPointer($0.numbers)) }
        let (directory, name) = Self.place(path)
        try CheckpointDirectory(directory).write([.init(name, tensors + [TensorContent(name: "state", bytes: text)])])
    }

    /// Goes on where the file left off, or the one before where the file is damaged. Throws what does not fit; the trainer is then to be thrown away.
    /// - Returns: what is wrong with the newest file, where it is the one before.
    @discardableResult
    public func restore(from path: String) throws -> String? {
        let (directory, name) = Self.place(path)
        guard let opened = try CheckpointDirectory(directory).recover(), let newest = opened[name] else {
            throw Mismatch(
                description: "\(directory) has no \(FileDigests.name) that says whether \(name) is whole; move it away to begin anew")
        }
        let archive = try TensorArchive(mapping: newest)
        let state: State
        do {
            state = try JSONDecoder().decode(State.self, from: try archive.tensor("state").withUnsafeBytes { Data($0) })
        } catch is DecodingError {
            throw Mismatch(description: "\(path) is not a training checkpoint of this version")
        }
        guard state.isPlausible else { throw Mismatch(description: "\(path) holds counts that no training comes to") }
        for (agrees, what) in [
            (state.version == State.newest, "version"), (state.model == "\(model.configuration)", "model"),
            (state.configuration.json == configuration.json, "settings"), (state.digest == digest, "text or frozen weights"),
        ] where !agrees {
            throw Mismatch(description: "\(path) is of another \(what); go on as it began, or begin anew elsewhere")
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

    /// Everything that training changes.
    private var places: [(name: String, shape: [Int], numbers: UnsafeMutableBufferPointer<Float>)] {
        let learned = graph.gradients.layout.parameters
        return learned.map { ("model.\($0.name)", $0.shape, parameters[$0.name]) }
            + zip(optimizer.rule.moments, optimizer.moments).flatMap { moment, store in
                learned.map { ("optimizer.\(moment).\($0.name)", $0.shape, store[$0.name]) }
            }
    }

    static func digest(_ tokens: [Int], _ parameters: ParameterStore<Float>, frozen learned: ParameterLayout) -> String {
        var hash = SHA256()
        tokens.withUnsafeBytes { hash.update($0) }
        for parameter in parameters.layout.parameters where learned[parameter.name] == nil {
            hash.update(UnsafeRawBufferPointer(parameters[parameter.name]))
        }
        return SHA256.hex(hash.digest())
    }
}
