import Moments
import Configuration
import Messaging
import Model
import Pipeline
import Reinforcement
import Schema
import Tensors

/// Fuse's part of decisions that are generated texts: applies the newest policy to the answering model, and publishes each finished answer
/// as a decision.
struct TextDecider {
    private let policy: TextPolicy
    private var adopted: AdoptedPolicy
    /// Not seeded: the identifiers that feedback cites must not be predictable.
    private var secrets = SystemRandomNumberGenerator()
    private(set) var decided: UInt64 = 0

    /// - Returns: nil where decisions are not texts.
    /// - Throws: the error of invalid settings.
    init?(_ settings: GraphSettings) throws {
        guard settings.decide.isOn, settings.decide.text else { return nil }
        policy = try TextPPO.Configuration(settings.decide.settings).policy(settings.model)
        adopted = try AdoptedPolicy(settings.decide.policy, ParameterStore(policy.own), settings)
    }

    var version: UInt64 { adopted.version }

    /// Adopts a published policy.
    /// - Throws: as `AdoptedPolicy.adopt` does.
    mutating func adopt(_ update: PolicyUpdate, payload message: WireMessage) throws(Refusal) {
        try adopted.adopt(update, payload: message)
    }

    /// Applies the policy's parameters to those of a model, once a policy is known.
    func lay(over model: ParameterStore<Float>) {
        if adopted.isKnown { policy.apply(adopted.parameters, to: model) }
    }

    /// A finished answer.
    struct Ended {
        var moment: Moment
        /// The moment as received, and the senses that were left out when it was answered.
        var input: MomentInput
        var muted: Set<String>
        /// Of the policy when the answer was begun.
        var policyVersion: UInt64
        /// Its last piece, and all of its bytes.
        var answer: Answer
        var text: [UInt8]
    }

    /// The messages of a finished answer: its action and its decision record. None where there was no policy or no text.
    mutating func outgoing(_ ended: Ended, _ decoder: MomentDecoder) -> [Outgoing] {
        let moment = ended.moment
        guard adopted.isKnown, !decoder.written.isEmpty, !decoder.hasFailed else { return [] }
        let decision = Decision(decoder, of: ended.input.without(ended.muted), policy, adopted.parameters)
        guard let written = decision.text, decision.logProbability.isFinite, decision.value.isFinite else { return [] }
        let id = DecisionID(session: moment.session, ordinal: moment.ordinal, secret: secrets.next())
        let action = Action.with {
            $0.decision = id.description
            $0.session = moment.session
            $0.moment = moment.id
            $0.ordinal = moment.ordinal
            $0.policy = adopted.name
            $0.policyVersion = ended.policyVersion
            $0.modelVersion = ended.answer.modelVersion
            $0.tokens = written.tokens.map(UInt32.init)
            $0.text = .init(ended.text)
            $0.logProbability = decision.logProbability
            $0.value = decision.value
            $0.latency = ended.answer.latency
        }
        let record = DecisionRecord.with {
            $0.action = action
            $0.logProbabilities = written.logProbabilities
            $0.moment = moment
            $0.muted = ended.muted.sorted()
            $0.consent = moment.consent
        }
        // checked on its way in
        guard let topic = try? Topics.action(moment.session), let moments = Topics.moments(of: moment.session) else { return [] }
        decided += 1
        let payload = ended.input.payload(of: moment).map { Payload($0) }
        return [Outgoing(action, on: topic), Outgoing(MomentEvent.with { $0.decision = record }, on: moments, payload: payload)]
    }
}
