import Foundation
import Learning
import Messaging
import Model
import Safetensors
import Statistics
import Tokenization

/// What a learner writes: its model as users of Hugging Face recognise it, and all that it needs in order to go on.
///
/// `training.safetensors` is the checkpoint: parameters, optimiser, replay, random state and place in the stream in one file, which replaces the old one
/// whole. `config.json`, `model.safetensors` and the tokenizer's files stand beside it for everybody else.
public struct CheckpointStore: Sendable {
    private let directory: String
    private let model: MultimodalConfiguration
    /// The model's configuration: what `config.json` says.
    let configuration: String

    /// What is in a checkpoint beside tensors.
    private struct State: Codable {
        var version = Self.newest
        var stream: LearnProgress
        var learner: OnlineLearner.State.Progress

        static let newest = 1
    }

    /// - Parameter directory: made when it is first written to; empty: nothing is written, nothing is read.
    public init(directory: String, model: MultimodalConfiguration) throws {
        self.directory = directory
        self.model = model
        configuration = try model.huggingFaceConfiguration
    }

    /// The parameters as a safetensors file, and its SHA-256.
    func encode(_ learner: OnlineLearner) -> (payload: Payload, digest: Data) {
        let tensors = learner.parameters.layout.parameters.map { ($0.name, $0.shape) }
        let file = TensorArchive.encode(flat: tensors, values: UnsafeBufferPointer(learner.parameters.values))
        var hash = SHA256()
        file.withUnsafeBytes { hash.update($0) }
        return (Payload(file), Data(hash.digest()))
    }

    /// Writes everything. Whoever reads meanwhile finds the old checkpoint or the new one.
    func save(_ learner: OnlineLearner, _ progress: LearnProgress) throws {
        guard !directory.isEmpty else { return }
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        let state = learner.state
        let text = try JSONEncoder().encode(State(stream: progress, learner: state.progress))
        let store = learner.parameters
        let parameters = store.layout.parameters.map {
            TensorContent(name: "model.\($0.name)", shape: $0.shape, values: UnsafeBufferPointer(store[$0.name]))
        }
        let moments = state.tensors.map { TensorContent(name: "optimizer.\($0.key)", shape: [$0.value.count], floats: $0.value) }
        try TensorArchive.write(parameters + moments + [TensorContent(name: "state", bytes: Array(text))], to: path("training.safetensors"))

        let plain = store.layout.parameters.map { TensorContent(name: $0.name, shape: $0.shape, values: UnsafeBufferPointer(store[$0.name])) }
        try TensorArchive.write(plain, metadata: ["format": "pt"], to: path("model.safetensors"))
        try replaceFile(at: path("config.json"), with: configuration + "\n")
        if model.text.vocabulary == ByteTokenizer().vocabularySize {
            for (name, text) in ByteTokenizer().files { try replaceFile(at: path(name), with: text) }
        }
    }

    /// Puts a learner where the newest checkpoint left off.
    /// - Returns: its place in the stream, or nil where there is no checkpoint.
    /// - Throws: what does not fit; the learner is then as it was.
    func restore(_ learner: OnlineLearner) throws -> LearnProgress? {
        guard !directory.isEmpty, FileManager.default.fileExists(atPath: path("training.safetensors")) else { return nil }
        let archive = try TensorArchive(mapping: path("training.safetensors"))
        let text = try archive.tensor("state").withUnsafeBytes { Data($0) }
        let state = try JSONDecoder().decode(State.self, from: text)
        guard state.version == State.newest else { throw CheckpointMismatch("\(directory) is of version \(state.version), not \(State.newest)") }
        let store = learner.parameters
        for parameter in store.layout.parameters { _ = try archive.tensor("model.\(parameter.name)", shape: parameter.shape) }
        var moments: [String: [Float]] = [:]
        for tensor in archive.tensors where tensor.name.hasPrefix("optimizer.") {
            moments[String(tensor.name.dropFirst("optimizer.".count))] = try tensor.floats()
        }
        try learner.restore(.init(progress: state.learner, tensors: moments))
        for parameter in store.layout.parameters { try archive.tensor("model.\(parameter.name)").copy(into: store[parameter.name]) }
        var progress = state.stream
        progress.isFinished = false
        return progress
    }

    private func path(_ name: String) -> String { "\(directory)/\(name)" }
}

/// A checkpoint that does not belong to these settings.
struct CheckpointMismatch: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) {
        self.description = description
    }
}

extension MultimodalConfiguration {
    /// `config.json`: the keys by which a GPT-2 is known, and this model's own under `accrete`.
    var huggingFaceConfiguration: String {
        get throws {
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
            return String(decoding: try encoder.encode(HuggingFaceConfiguration(self)), as: UTF8.self)
        }
    }
}

private struct HuggingFaceConfiguration: Encodable {
    let model_type = "gpt2"
    let architectures = ["GPT2LMHeadModel"]
    let activation_function = "gelu_new"
    let vocab_size: Int
    let n_positions: Int
    let n_embd: Int
    let n_layer: Int
    let n_head: Int
    let bos_token_id: Int
    let eos_token_id: Int
    let accrete: MultimodalConfiguration

    init(_ model: MultimodalConfiguration) {
        vocab_size = model.text.vocabulary
        n_positions = model.prefixLength + model.text.length
        n_embd = model.width
        n_layer = model.layers
        n_head = model.heads
        bos_token_id = model.text.vocabulary - 1
        eos_token_id = model.text.vocabulary - 1
        accrete = model
    }
}
