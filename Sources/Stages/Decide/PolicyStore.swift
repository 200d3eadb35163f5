import Foundation
import Reinforcement
import Safetensors
import Statistics
import Tensors

/// What a policy is: enough to build it again.
struct PolicyDescription: Codable, Equatable {
    var policy: String
    var settings: JSONValue
    var inputs: Int
    var choices: Int
    var controls: [DecideSettings.Control]
    /// Not in files of policies that set nothing else than choices and controls.
    var text: Bool?

    init(_ settings: DecideSettings, inputs: Int) {
        policy = settings.policy
        self.settings = settings.settings
        self.inputs = inputs
        choices = settings.choices
        controls = settings.controls
        text = settings.text ? true : nil
    }
}

/// `policy.safetensors`: a policy's numbers, what it is, where it stands, and what its learner remembers.
struct PolicyStore {
    private struct State: Codable {
        var description: PolicyDescription
        var progress: DecisionLearner.Progress
        /// What the learner remembers in single numbers.
        var numbers: [String: Double]?
    }

    /// Empty: nothing is written, nothing is read.
    let directory: String
    private var path: String { "\(directory)/policy.safetensors" }

    func save(_ learner: any PolicyLearner, _ progress: DecisionLearner.Progress, described description: PolicyDescription) throws {
        guard !directory.isEmpty else { return }
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        let store = learner.parameters, state = learner.state
        let text = try JSONEncoder().encode(State(description: description, progress: progress, numbers: state.numbers))
        let numbers = store.layout.parameters.map {
            TensorContent(name: "policy.\($0.name)", shape: $0.shape, values: UnsafeBufferPointer(store[$0.name]))
        }
        let rest = state.tensors.sorted { $0.key < $1.key }.map { TensorContent(name: "state.\($0.key)", shape: [$0.value.count], floats: $0.value) }
        try TensorArchive.write(numbers + rest + [TensorContent(name: "state", bytes: Array(text))], to: path)
    }

    /// Puts a learner where the file left it.
    /// - Returns: where it stood, or nil where there is none.
    func restore(_ learner: any PolicyLearner, described description: PolicyDescription) throws -> DecisionLearner.Progress? {
        guard let (archive, state) = try read() else { return nil }
        guard state.description == description else { throw CheckpointMismatch("\(path) holds another policy than decide describes") }
        try copy(archive, into: learner.parameters)
        var remembered = PolicyState(numbers: state.numbers ?? [:])
        for tensor in archive.tensors where tensor.name.hasPrefix("state.") {
            remembered.tensors[String(tensor.name.dropFirst("state.".count))] = try tensor.floats()
        }
        learner.resume(from: remembered)
        return state.progress
    }

    /// The policy that is kept here, built again; nil where there is none, or one that writes.
    func policy() throws -> (policy: any Policy, description: PolicyDescription, version: UInt64)? {
        guard let (archive, state) = try read(), state.description.text != true else { return nil }
        let told = state.description
        guard (0...1024).contains(told.choices), (0...1 << 20).contains(told.inputs), told.controls.count <= 64,
            told.controls.allSatisfy({ $0.low.isFinite && $0.high.isFinite && $0.low <= $0.high }), told.choices > 0 || !told.controls.isEmpty
        else { throw CheckpointMismatch("\(path) describes a policy that nothing could be decided by") }
        var settings = DecideSettings()
        (settings.choices, settings.controls) = (state.description.choices, state.description.controls)
        let learner = try policyLearner(
            state.description.policy, inputs: state.description.inputs, actions: settings.actions, settings: state.description.settings, seed: 1)
        try copy(archive, into: learner.policy.parameters)
        return (learner.policy, state.description, state.progress.version)
    }

    private func read() throws -> (TensorArchive, State)? {
        guard !directory.isEmpty, FileManager.default.fileExists(atPath: path) else { return nil }
        let archive = try TensorArchive(mapping: path)
        let text = try archive.tensor("state").withUnsafeBytes { Data($0) }
        return (archive, try JSONDecoder().decode(State.self, from: text))
    }

    private func copy(_ archive: TensorArchive, into store: ParameterStore<Float>) throws {
        for parameter in store.layout.parameters { _ = try archive.tensor("policy.\(parameter.name)", shape: parameter.shape) }
        for parameter in store.layout.parameters { try archive.tensor("policy.\(parameter.name)").copy(into: store[parameter.name]) }
    }
}
