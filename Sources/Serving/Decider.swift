import Moments
import Configuration
import Foundation
import Messaging
import Model
import Pipeline
import Reinforcement
import Schema
import Statistics

/// Fuse's part of decisions: decides on each moment with the newest policy, and publishes the action and its record.
package struct Decider {
    private let settings: DecideSettings
    private let policy: any Policy
    private var adopted: AdoptedPolicy
    private var random: RandomSource
    /// Not seeded: the identifiers that feedback cites must not be predictable.
    private var secrets = SystemRandomNumberGenerator()
    /// The number of decisions made.
    package private(set) var decided: UInt64 = 0

    /// - Returns: nil where nothing is decided, or where decisions are texts.
    /// - Throws: `SettingsError` for invalid settings of the policy.
    package init?(_ settings: GraphSettings) throws(SettingsError) {
        guard settings.decide.isOn, !settings.decide.text else { return nil }
        self.settings = settings.decide
        policy = try settings.decide.makeLearner(inputs: settings.observationSize, seed: settings.seed).policy
        adopted = try AdoptedPolicy(settings.decide.policy, policy.parameters, settings)
        random = RandomSource(seed: UInt64(settings.seed) &+ 1)
    }

    /// The greatest absolute value of an observation: a greater one would outweigh all others that a policy learns from.
    package static let observationLimit: Float = 1e6

    /// Whether moments are decided on only, without predictions.
    package var isAlone: Bool { settings.alone }
    /// Whether the policy observes the model's encoding of a moment.
    package var looksThroughModel: Bool { settings.observation == "model" }
    /// The version of the adopted policy; 0 before the first.
    package var policyVersion: UInt64 { adopted.version }

    /// Adopts a published policy.
    /// - Throws: `wrongShape`, `wrongDigest`, `wrongPolicy`, `nonFinite`, `sequenceRunsBack`.
    package mutating func adopt(_ update: PolicyUpdate, payload message: WireMessage) throws(Refusal) {
        try adopted.adopt(update, payload: message)
    }

    /// Decides on a moment.
    /// - Parameters:
    ///   - representation: the model's encoding of the moment, where the policy observes it.
    ///   - latency: seconds since what ended the moment arrived.
    /// - Returns: the action, and its record for the learner.
    /// - Throws: `noObservation`; `tooLarge`; `nonFinite` where the observation is too large for the policy.
    package mutating func decide(
        on moment: Moment, _ input: MomentInput, representation: [Float], modelVersion: UInt64, latency: Double
    ) throws(Refusal) -> [Outgoing] {
        let observation = try observation(of: input, representation)
        guard observation.allSatisfy({ abs($0) <= Self.observationLimit }) else {
            throw Refusal(.tooLarge, "moment \(moment.ordinal): numbers beyond ±\(Self.observationLimit) are not decided on")
        }
        let decision = policy.decide(on: observation, explores: true, using: &random)
        guard decision.isFinite else { throw Refusal(.nonFinite, "moment \(moment.ordinal) leaves no decision") }
        let id = DecisionID(session: moment.session, ordinal: moment.ordinal, secret: secrets.next())
        let action = Action.with {
            $0.decision = id.description
            $0.session = moment.session
            $0.moment = moment.id
            $0.ordinal = moment.ordinal
            $0.policy = settings.policy
            $0.policyVersion = adopted.version
            $0.modelVersion = modelVersion
            if let choice = decision.choice { $0.choice = UInt32(choice) }
            $0.values = decision.values
            $0.logProbability = decision.logProbability
            $0.value = decision.value
            $0.latency = latency
        }
        let record = DecisionRecord.with {
            $0.action = action
            $0.observation = observation
            $0.raw = decision.raw
            $0.consent = moment.consent
        }
        // checked on its way in
        guard let topic = try? Topics.action(moment.session), let moments = Topics.moments(of: moment.session) else { return [] }
        decided += 1
        return [Outgoing(action, on: topic), Outgoing(MomentEvent.with { $0.decision = record }, on: moments)]
    }

    private func observation(of input: MomentInput, _ representation: [Float]) throws(Refusal) -> [Float] {
        if looksThroughModel { return representation }
        guard let sense = input.senses["vector"], sense.columns >= settings.inputs else {
            throw Refusal(.noObservation, "the moment has no vector of \(settings.inputs) numbers")
        }
        // The newest reading is the last row.
        return Array(sense.values[(sense.values.count - sense.columns)...].prefix(settings.inputs))
    }
}
