import Moments
import Configuration
import Foundation
import Messaging
import Model
import Pipeline
import Reinforcement
import Schema
import Statistics

/// Fuse's part in decisions: looks at a moment, decides with the newest policy, and tells everybody.
package struct Decider {
    private let settings: DecideSettings
    private let policy: any Policy
    private var adopted: AdoptedPolicy
    private var random: RandomSource
    /// Not from the seed: nobody may guess what feedback has to cite.
    private var secrets = SystemRandomNumberGenerator()
    package private(set) var decided: UInt64 = 0

    /// - Returns: nil where nothing is to be decided, or texts are.
    package init?(_ settings: GraphSettings) throws(SettingsError) {
        guard settings.decide.isOn, !settings.decide.text else { return nil }
        self.settings = settings.decide
        policy = try settings.decide.makeLearner(inputs: settings.observationSize, seed: settings.seed).policy
        adopted = AdoptedPolicy(settings.decide.policy, policy.parameters)
        random = RandomSource(seed: UInt64(settings.seed) &+ 1)
    }

    /// Beyond it one observation would outweigh all others that a policy ever learns from.
    package static let observationLimit: Float = 1e6

    package var isAlone: Bool { settings.alone }
    package var looksThroughModel: Bool { settings.observation == "model" }
    package var policyVersion: UInt64 { adopted.version }

    /// - Throws: `wrongShape`, `wrongDigest`, `wrongPolicy`, `sequenceRunsBack`.
    package mutating func adopt(_ update: PolicyUpdate, payload message: WireMessage) throws(Refusal) {
        try adopted.adopt(update, payload: message)
    }

    /// - Parameters:
    ///   - representation: what the model makes of the moment, where the policy looks through it.
    ///   - latency: seconds since what ended the moment arrived.
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
