import Files
import Foundation
import Layers
import Learning
import Messaging
import Model
import Safetensors
import Statistics
import StrictJSON
import Tensors
import Tokenization

/// Writes and reads a learner's checkpoint: its model in Hugging Face's format, and the state that it needs in order to continue.
///
/// `training.safetensors` is the state to continue from: parameters, optimiser, replay, random state and position in the stream. The other
/// files are the serving model: `config.json`, `model.safetensors` and the tokenizer's files are the language trunk, of a pretrained one
/// without the matrices that do not learn; its adapters are `adapter_model.safetensors` and `adapter_config.json`, as PEFT has them;
/// `senses.safetensors` is the rest of the model. Together they are one checkpoint, which is written as a whole, and the previous one is
/// kept.
public struct CheckpointStore: Sendable {
    private let directory: String
    /// The model's configuration: the text of `config.json`.
    let configuration: String
    /// The tokenizer's files, with which Hugging Face's libraries open the trunk.
    private let tokenizer: [String: [UInt8]]
    /// The checkpoint that was found, or nil where there is none.
    let opened: CheckpointDirectory.Opened?

    /// The state in a checkpoint beside tensors.
    private struct State: Codable {
        var version = Self.newest
        var stream: LearnProgress
        var labels: LabelJoin
        /// Moments that wait for their steps; nil where they are not kept.
        var backlog: LabelJoin?
        var learner: GuidedLearner.Progress

        static let newest = 3
    }

    /// - Parameters:
    ///   - directory: created where it is missing; empty: nothing is written or read.
    ///   - tokenizer: directory of the tokenizer's files; empty: a text's tokens are its bytes.
    /// - Throws: where the directory cannot be written, or it holds checkpoints and none of them is whole.
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
                "\(directory) holds \(Self.training) without \(FileDigests.name), which shows whether it is whole; "
                    + "move it away, or write the list by `sha256sum`"
            )
        }
    }

    /// Writes a checkpoint. A concurrent reader finds the old checkpoint or the new one.
    /// - Parameters:
    ///   - backlog: moments that wait for their steps; nil: they are not kept.
    ///   - others: files of other parts of the learner, which belong to the same checkpoint.
    /// - Throws: `CheckpointMismatch` where a number is not finite; `FileError`.
    func save(
        _ guided: GuidedLearner, _ progress: LearnProgress, _ labels: LabelJoin, backlog: LabelJoin? = nil,
        others: [CheckpointDirectory.Content] = []
    ) throws {
        guard !directory.isEmpty else { return }
        let state = guided.state
        let text = try StateCoding.encode(State(stream: progress, labels: labels, backlog: backlog, learner: state.progress))
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
        var contents: [CheckpointDirectory.Content] = [
            .init(Self.training, parameters + rest + [TensorContent(name: "state", bytes: text)]),
            .init(Self.trunk, plain({ model.isTrunk($0) && !Adapters.contains($0) }, model.trunk.savedName), metadata: ["format": "pt"]),
            .init(Self.senses, plain({ !model.isTrunk($0) }, { $0 })),
            .init("config.json", text: configuration + "\n"),
            .init(LedgerFile.name, text: LedgerFile.text(of: guided.ledger.entries)),
        ]
        if let adapters = model.adapters {
            let tensors = plain(Adapters.contains) { Adapters.savedName(of: $0, in: model.trunk) }
            contents.append(.init(Adapters.file, tensors, metadata: ["format": "pt"]))
            let text = adapters.configurationText(of: model.trunk, base: model.configuration.trunk)
            contents.append(.init(Adapters.configurationFile, text: text))
        }
        contents += tokenizer.sorted { $0.key < $1.key }.map { .init($0.key, bytes: $0.value) }
        try CheckpointDirectory(directory).write(contents + others)
        removeFiles(except: Set((contents + others).map(\.name)))
    }

    /// Removes the files of the checkpoint before that this one has no more, such as corrections that were forgotten. They stay in
    /// `previous/` until the next one.
    private func removeFiles(except names: Set<String>) {
        // without a list no file is known to be of a checkpoint
        guard let former = try? FileDigests(of: "\(directory)/previous") else { return }
        for name in former.digests.keys where !names.contains(name) { unlink("\(directory)/\(name)") }
    }

    /// Restores a learner from the newest checkpoint.
    /// - Returns: its position in the stream, the moments that wait for labels, and those that wait for their steps; nil where there is no
    ///   checkpoint.
    /// - Throws: the error of a checkpoint that does not fit the settings.
    func restore(_ guided: GuidedLearner) throws -> (LearnProgress, LabelJoin, backlog: [LabelJoin.Waiting])? {
        guard let path = opened?[Self.training] else { return nil }
        let archive = try TensorArchive(mapping: path)
        let text = try archive.tensor("state").withUnsafeBytes { Data($0) }
        let version = try StateCoding.decode(Version.self, from: text, of: path).version
        guard version == State.newest else {
            throw CheckpointMismatch(
                "\(directory) holds a checkpoint of version \(version), not \(State.newest); choose another directory, or move it away")
        }
        let store = guided.learner.parameters
        do throws(SafetensorsError) {
            for parameter in store.layout.parameters { _ = try archive.tensor("model.\(parameter.name)", shape: parameter.shape) }
        } catch {
            throw CheckpointMismatch(
                "\(directory) holds the checkpoint of another model; choose another directory, or move it away (\(error))")
        }
        let state = try StateCoding.decode(State.self, from: text, of: path)
        let model = guided.learner.model.configuration
        if let problem = state.labels.problem(for: model) ?? state.backlog?.problem(for: model) {
            throw CheckpointMismatch("\(path): \(problem)")
        }
        var tensors: [String: [Float]] = [:]
        for tensor in archive.tensors where tensor.name.hasPrefix("state.") {
            tensors[String(tensor.name.dropFirst("state.".count))] = try tensor.floats()
        }
        // Weights first: parts that start anew because the settings differ start from them.
        for parameter in store.layout.parameters { try archive.tensor("model.\(parameter.name)").copy(into: store[parameter.name]) }
        try guided.restore(state.learner, tensors)
        return (state.stream, state.labels, state.backlog?.waiting ?? [])
    }

    /// The replay slots of the newest checkpoint of a directory, without the moments themselves.
    /// - Throws: `CheckpointMismatch` where there is none or it cannot be read.
    public static func memory(of directory: String) throws -> [ReplaySlot] {
        guard let path = try CheckpointDirectory(directory).open()?[training] else {
            throw CheckpointMismatch("\(directory) holds no checkpoint")
        }
        let text = try TensorArchive(mapping: path).tensor("state").withUnsafeBytes { Data($0) }
        return try StateCoding.decode(Remembered.self, from: text, of: path).learner.learner.memory.slots
    }

    /// How far the learner of the newest checkpoint of a directory was.
    /// - Returns: nil where there is none.
    /// - Throws: `CheckpointMismatch` where it cannot be read.
    public static func progress(of directory: String) throws -> LearnProgress? {
        guard let path = try CheckpointDirectory(directory).open()?[training] else { return nil }
        let text = try TensorArchive(mapping: path).tensor("state").withUnsafeBytes { Data($0) }
        return try StateCoding.decode(Positioned.self, from: text, of: path).stream
    }

    private struct Positioned: Decodable {
        var stream: LearnProgress
    }

    /// Copies the serving model of the newest checkpoint of a directory into a store of its layout.
    /// - Throws: `CheckpointMismatch` where there is none; `SafetensorsError` where a tensor is missing or its shape differs.
    package static func copy(_ model: MultimodalModel, of directory: String, into store: ParameterStore<Float>) throws {
        let opened = try CheckpointDirectory(directory).open()
        func archive(_ name: String) throws -> TensorArchive {
            guard let path = opened?[name] else { throw CheckpointMismatch("\(directory) holds no checkpoint with \(name)") }
            return try TensorArchive(mapping: path)
        }
        let trunk = try archive(Self.trunk), senses = try archive(Self.senses)
        let adapters = try model.adapters.map { _ in try archive(Adapters.file) }
        for parameter in store.layout.parameters {
            let tensor =
                if let adapters, Adapters.contains(parameter) {
                    try adapters.tensor(Adapters.savedName(of: parameter.name, in: model.trunk), shape: parameter.shape)
                } else if model.isTrunk(parameter) {
                    try trunk.tensor(model.trunk.savedName(of: parameter.name), shape: parameter.shape)
                } else {
                    try senses.tensor(parameter.name, shape: parameter.shape)
                }
            try tensor.copy(into: store[parameter.name])
        }
    }

    /// The part of a state that holds the replay slots.
    private struct Remembered: Decodable {
        struct Learner: Decodable { var learner: Own }
        struct Own: Decodable { var memory: Memory }
        struct Memory: Decodable { var slots: [ReplaySlot] }

        var learner: Learner
    }

    private struct Version: Codable {
        var version: Int
    }

    /// Whether a file of a checkpoint is of the serving model: nothing of what was seen is in it but what the weights have learned.
    static func isServed(_ name: String) -> Bool {
        [trunk, senses, "config.json", Adapters.file, Adapters.configurationFile].contains(name)
    }

    private static let training = "training.safetensors"
    private static let trunk = "model.safetensors", senses = "senses.safetensors"
}

/// Throws where a number is not finite: a checkpoint with it could not be read, so the previous one is kept.
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
    /// The text of `config.json`: the keys of the trunk's kind, and this model's own configuration under `accrete`.
    var huggingFaceConfiguration: String {
        get throws {
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
            guard isPretrained else { return String(decoding: try encoder.encode(HuggingFaceConfiguration(self)), as: UTF8.self) }
            // Without the matrices that stay in the trunk's own files, it is not a model that other libraries open.
            var members = WeightStorage(rawValue: storage) == .float32 ? try TrunkFiles(path: trunk).configurationMembers : [:]
            members["accrete"] = try JSON(parsing: encoder.encode(self))
            return JSON.object(members).text()
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
