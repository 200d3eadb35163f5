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
    }

    /// A checkpoint that is not of this training.
    public struct Mismatch: Error, CustomStringConvertible {
        public let description: String
    }

    /// Replaces the file whole. Throws `SafetensorsError`.
    public func save(to path: String) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = .sortedKeys
        let state = State(
            configuration: configuration, model: "\(model.configuration)", digest: digest, steps: steps, skipped: skipped,
            optimizer: optimizer.progress, cursor: windows.cursor)
        let text = [UInt8](try encoder.encode(state))
        let tensors = places.map { TensorContent(name: $0.name, shape: $0.shape, values: UnsafeBufferPointer($0.numbers)) }
        try TensorArchive.write(tensors + [TensorContent(name: "state", bytes: text)], to: path)
    }

    /// Goes on where the file left off. Throws what does not fit; the trainer is then to be thrown away.
    public func restore(from path: String) throws {
        let archive = try TensorArchive(mapping: path)
        let state: State
        do {
            state = try JSONDecoder().decode(State.self, from: try archive.tensor("state").withUnsafeBytes { Data($0) })
        } catch is DecodingError {
            throw Mismatch(description: "\(path) is not a training checkpoint of this version")
        }
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
