import Messaging
import Pipeline
import Safetensors
import Schema
import Tensors

/// The learner's newest policy as fuse has taken it in, checked.
struct AdoptedPolicy {
    let name: String
    let parameters: ParameterStore<Float>
    private(set) var version: UInt64 = 0
    private var epoch: UInt64 = 0

    init(_ name: String, _ parameters: ParameterStore<Float>) {
        self.name = name
        self.parameters = parameters
    }

    /// Whether the learner has told any.
    var isKnown: Bool { epoch > 0 }

    /// - Throws: `wrongShape`, `wrongDigest`, `wrongPolicy`, `sequenceRunsBack`.
    mutating func adopt(_ update: PolicyUpdate, payload message: WireMessage) throws(Refusal) {
        let isRestart = update.stamp.epoch > epoch
        if !isRestart, update.version <= version {
            if update.version == version { return }  // sent again for a late subscriber
            throw Refusal(.sequenceRunsBack, "policy \(update.version) after \(version)")
        }
        let payload = try message.joinedPayload()
        guard SHA256.hex(of: payload) == SHA256.hex(Array(update.sha256)) else { throw Refusal(.wrongDigest, "policy \(update.version)") }
        guard update.policy == name else { throw Refusal(.wrongPolicy, "a policy '\(update.policy.prefix(64))', not '\(name)'") }
        do throws(SafetensorsError) {
            let archive = try TensorArchive(bytes: payload, source: "policy.update version \(update.version)")
            for parameter in parameters.layout.parameters { _ = try archive.tensor(parameter.name, shape: parameter.shape) }
            try archive.copy(into: parameters)
        } catch {
            throw Refusal(.wrongPolicy, error.description)
        }
        version = update.version
        epoch = update.stamp.epoch
    }
}
