import Configuration
import Foundation
import Reinforcement
import Safetensors
import Statistics
import StrictJSON
import Tensors

/// The description of a policy, from which it can be built again.
struct PolicyDescription: Codable, Equatable {
    var policy: String
    var settings: JSON
    var inputs: Int
    var choices: Int
    var controls: [DecideSettings.Control]
    /// Whether its decisions are texts; nil for choices and controls.
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

/// `policy.safetensors` of a checkpoint: a policy's parameters, its description, its progress, and its learner's state.
struct PolicyStore {
    private struct State: Codable {
        var description: PolicyDescription
        var progress: DecisionLearner.Progress
        /// The scalars of the learner's state.
        var numbers: [String: Double]?
    }

    static let name = "policy.safetensors"
    private let path: String
    private let archive: TensorArchive
    private let state: State

    /// - Parameter opened: the checkpoint to read from.
    /// - Returns: nil where it holds no policy.
    /// - Throws: `SafetensorsError`, `CheckpointMismatch`.
    init?(in opened: CheckpointDirectory.Opened?) throws {
        guard let path = opened?[Self.name] else { return nil }
        self.path = path
        archive = try TensorArchive(mapping: path)
        state = try StateCoding.decode(State.self, from: try archive.tensor("state").withUnsafeBytes { Data($0) }, of: path)
        let progress = state.progress
        if let worst = [progress.version, progress.decisions, progress.rewarded, progress.unrewarded].max(),
            worst > UInt64(StateCoding.largest)
        {
            throw CheckpointMismatch("\(path): a count is \(worst), beyond all bounds")
        }
    }

    /// The file that holds a policy.
    /// - Throws: `CheckpointMismatch` where a number is not finite.
    static func file(
        of learner: any PolicyLearner, _ progress: DecisionLearner.Progress, described description: PolicyDescription
    ) throws -> CheckpointDirectory.Content {
        let store = learner.parameters, state = learner.state
        for parameter in store.layout.parameters { try requireFinite(store[parameter.name], parameter.name) }
        for (name, numbers) in state.tensors.sorted(by: { $0.key < $1.key }) { try requireFinite(numbers, name) }
        let text = try StateCoding.encode(State(description: description, progress: progress, numbers: state.numbers))
        let numbers = store.layout.parameters.map {
            TensorContent(name: "policy.\($0.name)", shape: $0.shape, values: UnsafeBufferPointer(store[$0.name]))
        }
        let rest = state.tensors.sorted { $0.key < $1.key }.map {
            TensorContent(name: "state.\($0.key)", shape: [$0.value.count], floats: $0.value)
        }
        return .init(name, numbers + rest + [TensorContent(name: "state", bytes: text)])
    }

    /// Restores a learner; where a number is not finite, nothing is changed.
    /// - Returns: its progress, and which number is not finite.
    /// - Throws: the error of a file that does not fit the settings.
    func restore(
        _ learner: any PolicyLearner, described description: PolicyDescription
    ) throws -> (progress: DecisionLearner.Progress, problem: String?) {
        guard state.description == description else { throw CheckpointMismatch("\(path) holds another policy than decide describes") }
        do throws(SafetensorsError) {
            let (values, remembered) = try (values(for: learner.parameters), remembered())
            if let (name, _) = remembered.numbers.first(where: { !$0.value.isFinite }) {
                return (state.progress, "\(path): \(name) is not finite")
            }
            _ = learner.parameters.values.update(from: values)
            learner.resume(from: remembered)
            return (state.progress, nil)
        } catch {
            guard case .nonFinite = error.reason else { throw error }
            return (state.progress, error.description)
        }
    }

    /// The stored policy, built again; nil where its decisions are texts.
    /// - Throws: `CheckpointMismatch`, `SafetensorsError`, or the error of invalid settings.
    func policy() throws -> (policy: any Policy, description: PolicyDescription, version: UInt64)? {
        let description = state.description
        guard description.text != true else { return nil }
        guard (0...1024).contains(description.choices), (0...1 << 20).contains(description.inputs), description.controls.count <= 64,
            description.controls.allSatisfy({ $0.low.isFinite && $0.high.isFinite && $0.low <= $0.high }),
            description.choices > 0 || !description.controls.isEmpty
        else { throw CheckpointMismatch("\(path) describes a policy that nothing could be decided by") }
        var settings = DecideSettings()
        (settings.choices, settings.controls) = (state.description.choices, state.description.controls)
        let learner = try policyLearner(
            state.description.policy, inputs: state.description.inputs, actions: settings.actions, settings: state.description.settings,
            seed: 1)
        _ = learner.policy.parameters.values.update(from: try values(for: learner.policy.parameters))
        return (learner.policy, state.description, state.progress.version)
    }

    private func values(for store: ParameterStore<Float>) throws(SafetensorsError) -> [Float] {
        var values: [Float] = []
        for parameter in store.layout.parameters {
            values += try archive.tensor("policy.\(parameter.name)", shape: parameter.shape).floats()
        }
        return values
    }

    private func remembered() throws(SafetensorsError) -> PolicyState {
        var remembered = PolicyState(numbers: state.numbers ?? [:])
        for tensor in archive.tensors where tensor.name.hasPrefix("state.") {
            remembered.tensors[String(tensor.name.dropFirst("state.".count))] = try tensor.floats()
        }
        return remembered
    }
}
