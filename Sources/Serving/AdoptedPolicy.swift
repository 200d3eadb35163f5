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

    /// - Throws: `wrongShape`, `wrongDigest`, `wrongPolicy`, `nonFinite`, `sequenceRunsBack`; nothing is changed then.
    mutating func adopt(_ update: PolicyUpdate, payload message: WireMessage) throws(Refusal) {
        let isRestart = update.stamp.epoch > epoch
        if !isRestart, update.version <= version {
            if update.version == version { return }  // sent again for a late subscriber
            throw Refusal(.sequenceRunsBack, "policy \(update.version) after \(version)")
        }
        guard update.version <= ReservedNumbers.most else { throw Refusal(.wrongPolicy, "policy \(update.version)") }
        let payload = try message.joinedPayload()
        guard SHA256.hex(of: payload) == SHA256.hex(Array(update.sha256)) else { throw Refusal(.wrongDigest, "policy \(update.version)") }
        guard update.policy == name else { throw Refusal(.wrongPolicy, "a policy '\(update.policy.prefix(64))', not '\(name)'") }
        do throws(SafetensorsError) {
            let archive = try TensorArchive(bytes: payload, source: "policy.update version \(update.version)")
            let adopted = ParameterStore<Float>(parameters.layout)
            try archive.copy(into: adopted)
            parameters.assign(from: adopted)
        } catch let error where error.isNonFinite {
            throw Refusal(.nonFinite, error.description)
        } catch {
            throw Refusal(.wrongPolicy, error.description)
        }
        version = update.version
        epoch = update.stamp.epoch
    }
}
