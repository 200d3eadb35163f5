import Configuration
import Messaging
import Schema
import Statistics
import Tensors
import Updates

/// The learner's newest policy, whose parameters are replaced as a whole.
struct AdoptedPolicy {
    let name: String
    let parameters: ParameterStore<Float>
    private var adopted: AdoptedParameters<PolicyUpdate>

    /// - Throws: `SettingsError` where there are no root keys of those whose updates are believed.
    init(_ name: String, _ parameters: ParameterStore<Float>, _ settings: GraphSettings) throws(SettingsError) {
        self.name = name
        self.parameters = parameters
        let trust: UpdateTrust?
        do {
            trust = try settings.updateTrust()
        } catch {
            throw SettingsError("security.updates", "\(error)")
        }
        adopted = AdoptedParameters(layout: parameters.layout, capacity: 1, trust: trust, widestJump: settings.security.widestJump)
    }

    /// The version of the newest policy; 0 before the first.
    var version: UInt64 { adopted.versions.last?.update.version ?? 0 }

    /// Whether the learner has published any.
    var isKnown: Bool { !adopted.versions.isEmpty }

    /// Checks a published policy and replaces the parameters.
    /// - Throws: `wrongShape`, `wrongDigest`, `wrongPolicy`, `nonFinite`, `sequenceRunsBack`; nothing is changed then.
    mutating func adopt(_ update: PolicyUpdate, payload message: WireMessage) throws(Refusal) {
        guard update.policy == name else { throw Refusal(.wrongPolicy, "a policy '\(update.policy.prefix(64))', not '\(name)'") }
        try adopted.insert(update, payload: message)
        adopted.versions.last?.parameters.copy(into: parameters)
    }
}
