import Foundation
import Learning
import Messaging
import Pipeline
import Schema
import Updates

/// The passports of published models, where the learner has a key to sign with.
extension LearnProcessor {
    /// The signed passport of an update; nil where none are signed, or the key has expired.
    /// - Parameter verdict: the gate's, where there is one.
    mutating func passport(
        of update: ModelUpdate, payload: [Payload], digest: Data, _ verdict: GateVerdict?
    ) -> SignedPassport? {
        guard passports != nil else { return nil }
        var passport = update.claims.passport
        (passport.cause, passport.reason, passport.evidence) = (cause, update.reason, evidence(of: update, verdict))
        let signed = passports?.sign(passport, payload: payload, digest: digest)
        if signed == nil { ownTelemetry.drops.count(.unsigned, because: "version \(update.version): the key that signs has expired") }
        return signed
    }

    /// Messages with their passports: of sessions' adapters, policies, memories and releases, as of models.
    mutating func signed(_ outputs: [Outgoing], at now: Instant) -> [Outgoing] {
        guard passports != nil else { return outputs }
        return outputs.map { output in
            switch output.message {
            case let update as SessionUpdate: return signed(output, update)
            case let update as PolicyUpdate:
                signedPolicy = now
                return signed(output, update)
            case let update as MemoryUpdate:
                signedMemory = now
                return signed(output, update)
            case let release as UpdateRelease: return signed(output, release)
            default: return output
            }
        }
    }

    /// Live mode: the newest policy and memory again before their passports expire, as they are sent to late subscribers.
    mutating func renewed(at now: Instant) -> [Outgoing] {
        guard isLive, !progress.isFinished, let renewal = passports?.renewal else { return [] }
        if let signedMemory, now - signedMemory >= renewal { isMemoryNew = true }
        guard let signedPolicy, now - signedPolicy >= renewal else { return [] }
        return decisions?.renewed() ?? []
    }

    private mutating func signed(_ output: Outgoing, _ update: some SignedUpdate) -> Outgoing {
        let claims = update.claims
        guard let passport = passports?.sign(claims.passport, payload: output.payload, digest: claims.sha256) else {
            ownTelemetry.drops.count(.unsigned, because: "an update on \(claims.topic): the key that signs has expired")
            return output
        }
        var update = update, output = output
        update.passport = passport
        output.message = update
        return output
    }

    var cause: UpdateCause {
        if isOrdered { return .operator }
        let rules = settings.triggers.map(\.name)
        let hasFired = guided.ledger.entries.contains { $0.serial >= lines.serial && $0.verdict == .fired && rules.contains($0.rule) }
        return hasFired ? .trigger : .schedule
    }

    private func evidence(of update: ModelUpdate, _ verdict: GateVerdict?) -> Evidence {
        .with {
            ($0.learned, $0.trainingLoss) = (UInt64(learned), update.loss)
            addInfluence(to: &$0, of: update.version)
            guard let verdict else { return }
            ($0.verdict, $0.verdictReason) = (verdict.decision.rawValue, verdict.reason)
            ($0.recent, $0.anchors) = (UInt32(verdict.recent), UInt32(verdict.anchors))
            if verdict.recent > 0 {
                ($0.recentBefore, $0.recentAfter, $0.frozen) = (verdict.servingLoss, verdict.candidateLoss, verdict.frozenLoss)
            }
            if verdict.anchors > 0 { ($0.anchorsBefore, $0.anchorsAfter) = (verdict.anchorReference, verdict.anchorLoss) }
        }
    }
}
