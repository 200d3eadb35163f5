import Files
import Foundation
import Learning
import Messaging
import Model
import Safetensors
import Statistics
import Tensors
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
        var labels: LabelJoin
        var learner: GuidedLearner.Progress

        static let newest = 2
    }

    /// - Parameter directory: made when it is first written to; empty: nothing is written, nothing is read.
    public init(directory: String, model: MultimodalConfiguration) throws {
        self.directory = directory
        self.model = model
        configuration = try model.huggingFaceConfiguration
    }

    /// Parameters as a safetensors file, and its SHA-256.
    func encode(_ parameters: ParameterStore<Float>) -> (payload: Payload, digest: Data) {
        let tensors = parameters.layout.parameters.map { ($0.name, $0.shape) }
        let file = TensorArchive.encode(flat: tensors, values: UnsafeBufferPointer(parameters.values))
        var hash = SHA256()
        file.withUnsafeBytes { hash.update($0) }
        return (Payload(file), Data(hash.digest()))
    }

    /// Writes everything. Whoever reads meanwhile finds the old checkpoint or the new one; the model beside it is the one that serves.
    func save(_ guided: GuidedLearner, _ progress: LearnProgress, _ labels: LabelJoin) throws {
        guard !directory.isEmpty else { return }
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        let state = guided.state
        let text = try JSONEncoder().encode(State(stream: progress, labels: labels, learner: state.progress))
        let store = guided.learner.parameters
        let parameters = store.layout.parameters.map {
            TensorContent(name: "model.\($0.name)", shape: $0.shape, values: UnsafeBufferPointer(store[$0.name]))
        }
        let rest = state.tensors.sorted { $0.key < $1.key }.map { TensorContent(name: "state.\($0.key)", shape: [$0.value.count], floats: $0.value) }
        try TensorArchive.write(parameters + rest + [TensorContent(name: "state", bytes: Array(text))], to: path(Self.checkpoint))

        let served = guided.serving
        let plain = served.layout.parameters.map { TensorContent(name: $0.name, shape: $0.shape, values: UnsafeBufferPointer(served[$0.name])) }
        try TensorArchive.write(plain, metadata: ["format": "pt"], to: path("model.safetensors"))
        try replaceFile(at: path("config.json"), with: configuration + "\n")
        try replaceFile(at: path(LedgerFile.name), with: LedgerFile.text(of: guided.ledger.entries))
        if model.text.vocabulary == ByteTokenizer().vocabularySize {
            for (name, text) in ByteTokenizer().files { try replaceFile(at: path(name), with: text) }
        }
    }

    /// Puts a learner where the newest checkpoint left off.
    /// - Returns: its place in the stream and the moments that wait for labels, or nil where there is no checkpoint.
    /// - Throws: what does not fit.
    func restore(_ guided: GuidedLearner) throws -> (LearnProgress, LabelJoin)? {
        guard !directory.isEmpty, FileManager.default.fileExists(atPath: path(Self.checkpoint)) else { return nil }
        let archive = try TensorArchive(mapping: path(Self.checkpoint))
        let text = try archive.tensor("state").withUnsafeBytes { Data($0) }
        let version = try JSONDecoder().decode(Version.self, from: text).version
        guard version == State.newest else {
            throw CheckpointMismatch("\(directory) holds a checkpoint of version \(version), not \(State.newest); choose another directory, or move it away")
        }
        let state = try JSONDecoder().decode(State.self, from: text)
        let store = guided.learner.parameters
        for parameter in store.layout.parameters { _ = try archive.tensor("model.\(parameter.name)", shape: parameter.shape) }
        var tensors: [String: [Float]] = [:]
        for tensor in archive.tensors where tensor.name.hasPrefix("state.") {
            tensors[String(tensor.name.dropFirst("state.".count))] = try tensor.floats()
        }
        // Weights first: what begins anew with a checkpoint of other settings begins with them.
        for parameter in store.layout.parameters { try archive.tensor("model.\(parameter.name)").copy(into: store[parameter.name]) }
        try guided.restore(state.learner, tensors)
        return (state.stream, state.labels)
    }

    /// What the newest checkpoint of a directory remembers, without the moments themselves.
    public static func memory(of directory: String) throws -> [ReplaySlot] {
        let archive = try TensorArchive(mapping: "\(directory)/\(checkpoint)")
        let text = try archive.tensor("state").withUnsafeBytes { Data($0) }
        return try JSONDecoder().decode(Remembered.self, from: text).learner.learner.memory.slots
    }

    /// As much of a state as tells what is remembered.
    private struct Remembered: Decodable {
        struct Learner: Decodable { var learner: Own }
        struct Own: Decodable { var memory: Memory }
        struct Memory: Decodable { var slots: [ReplaySlot] }

        var learner: Learner
    }

    private struct Version: Codable {
        var version: Int
    }

    private static let checkpoint = "training.safetensors"

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
        n_positions = model.text.length
        n_embd = model.width
        n_layer = model.layers
        n_head = model.heads
        bos_token_id = model.text.vocabulary - 1
        eos_token_id = model.text.vocabulary - 1
        accrete = model
    }
}
