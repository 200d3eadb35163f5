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
/// `training.safetensors` is what it goes on from: parameters, optimiser, replay, random state and place in the stream. Beside it stands what serves:
/// `config.json`, `model.safetensors` and the tokenizer's files are a GPT-2 for everybody, the language trunk; `senses.safetensors` is the rest of the model.
/// All of them are one checkpoint, whole or not there at all, and the one before is kept.
public struct CheckpointStore: Sendable {
    private let directory: String
    /// The model's configuration: what `config.json` says.
    let configuration: String
    /// By which a Hugging Face user opens the trunk.
    private let tokenizer: [String: [UInt8]]
    /// The checkpoint that was found, or nil where there is none.
    let opened: CheckpointDirectory.Opened?

    /// What is in a checkpoint beside tensors.
    private struct State: Codable {
        var version = Self.newest
        var stream: LearnProgress
        var labels: LabelJoin
        var learner: GuidedLearner.Progress

        static let newest = 2
    }

    /// - Parameters:
    ///   - directory: made where it is not there; empty: nothing is written, nothing is read.
    ///   - tokenizer: directory of the tokenizer's files; empty: a text's tokens are its bytes.
    /// - Throws: where nothing can be written there, or no checkpoint in it is whole.
    public init(directory: String, model: MultimodalConfiguration, tokenizer: String = "") throws {
        self.directory = directory
        configuration = try model.huggingFaceConfiguration
        guard !directory.isEmpty else {
            (self.tokenizer, opened) = ([:], nil)
            return
        }
        self.tokenizer = try tokenizerFiles(of: tokenizer, vocabulary: model.text.vocabulary)
        try prepareDirectory(at: directory)
        opened = try CheckpointDirectory(directory).recover()
        if opened == nil, fileExists("\(directory)/\(Self.training)") {
            throw CheckpointMismatch(
                "\(directory) holds \(Self.training) without \(FileDigests.name), which says whether it is whole; move it away, or write the list by `sha256sum`"
            )
        }
    }

    /// Writes everything. Whoever reads meanwhile finds the old checkpoint or the new one.
    /// - Parameter others: files of other parts of the learner, which belong to the same checkpoint.
    func save(_ guided: GuidedLearner, _ progress: LearnProgress, _ labels: LabelJoin, others: [CheckpointDirectory.Content] = []) throws {
        guard !directory.isEmpty else { return }
        let state = guided.state
        let text = try StateCoding.encode(State(stream: progress, labels: labels, learner: state.progress))
        let store = guided.learner.parameters
        let parameters = store.layout.parameters.map {
            TensorContent(name: "model.\($0.name)", shape: $0.shape, values: UnsafeBufferPointer(store[$0.name]))
        }
        for (name, numbers) in state.tensors.sorted(by: { $0.key < $1.key }) { try requireFinite(numbers, name) }
        for parameter in store.layout.parameters { try requireFinite(store[parameter.name], parameter.name) }
        let rest = state.tensors.sorted { $0.key < $1.key }.map {
            TensorContent(name: "state.\($0.key)", shape: [$0.value.count], floats: $0.value)
        }

        let served = guided.serving, model = guided.learner.model
        func plain(_ isWanted: (Parameter) -> Bool, _ name: (String) -> String) -> [TensorContent] {
            served.layout.parameters.filter(isWanted).map {
                TensorContent(name: name($0.name), shape: $0.shape, values: UnsafeBufferPointer(served[$0.name]))
            }
        }
        try CheckpointDirectory(directory).write(
            [
                .init(Self.training, parameters + rest + [TensorContent(name: "state", bytes: text)]),
                .init("model.safetensors", plain(model.isTrunk, GPT2.savedName), metadata: ["format": "pt"]),
                .init(Self.senses, plain({ !model.isTrunk($0) }, { $0 })),
                .init("config.json", text: configuration + "\n"),
                .init(LedgerFile.name, text: LedgerFile.text(of: guided.ledger.entries)),
            ] + tokenizer.sorted { $0.key < $1.key }.map { .init($0.key, bytes: $0.value) } + others)
    }

    /// Puts a learner where the newest checkpoint left off.
    /// - Returns: its place in the stream and the moments that wait for labels, or nil where there is no checkpoint.
    /// - Throws: what does not fit.
    func restore(_ guided: GuidedLearner) throws -> (LearnProgress, LabelJoin)? {
        guard let path = opened?[Self.training] else { return nil }
        let archive = try TensorArchive(mapping: path)
        let text = try archive.tensor("state").withUnsafeBytes { Data($0) }
        let version = try StateCoding.decode(Version.self, from: text, of: path).version
        guard version == State.newest else {
            throw CheckpointMismatch(
                "\(directory) holds a checkpoint of version \(version), not \(State.newest); choose another directory, or move it away")
        }
        let state = try StateCoding.decode(State.self, from: text, of: path)
        if let problem = state.labels.problem(for: guided.learner.model.configuration) { throw CheckpointMismatch("\(path): \(problem)") }
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
        guard let path = try CheckpointDirectory(directory).open()?[training] else {
            throw CheckpointMismatch("\(directory) holds no checkpoint")
        }
        let text = try TensorArchive(mapping: path).tensor("state").withUnsafeBytes { Data($0) }
        return try StateCoding.decode(Remembered.self, from: text, of: path).learner.learner.memory.slots
    }

    /// Copies the model that serves in the newest checkpoint of a directory into a store that holds its parameters.
    package static func copyModel(of directory: String, into store: ParameterStore<Float>) throws {
        guard let opened = try CheckpointDirectory(directory).open(), let trunk = opened["model.safetensors"],
            let senses = opened[Self.senses]
        else {
            throw CheckpointMismatch("\(directory) holds no checkpoint")
        }
        let archives = (try TensorArchive(mapping: trunk), try TensorArchive(mapping: senses))
        for parameter in store.layout.parameters {
            let tensor = try archives.0[GPT2.savedName(parameter.name)].map { $0 } ?? archives.1.tensor(parameter.name)
            guard tensor.shape == parameter.shape else {
                throw SafetensorsError(trunk, .wrongShape(tensor: parameter.name, found: tensor.shape, expected: parameter.shape))
            }
            try tensor.copy(into: store[parameter.name])
        }
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

    private static let training = "training.safetensors"
    private static let senses = "senses.safetensors"
}

/// A number that is not finite would keep whoever reads it from starting: the checkpoint before is worth more.
func requireFinite(_ numbers: some Collection<Float>, _ name: String) throws(CheckpointMismatch) {
    var sum: Float = 0
    for number in numbers { sum += number * 0 }  // zero, unless one is not finite
    if !sum.isFinite { throw CheckpointMismatch("\(name) holds a number that is not finite") }
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
