import Learning
import Messaging
import Schema
import Updates

/// The passports of published models, where the learner has a key to sign with.
extension LearnProcessor {
    /// The signed passport of an update; nil where none are signed, or the key has expired.
    /// - Parameter verdict: the gate's, where there is one.
    mutating func passport(
        of update: ModelUpdate, payload: [Payload], digest: PublishedParameters, _ verdict: GateVerdict?
    ) -> SignedPassport? {
        guard passports != nil else { return nil }
        let claims = update.claims
        let passport = Passport.with {
            ($0.topic, $0.version, $0.parentVersion) = (claims.topic, claims.version, claims.parentVersion)
            ($0.momentWatermark, $0.momentsSeen, $0.last) = (claims.momentWatermark, claims.momentsSeen, claims.last)
            if let streamBase = claims.streamBase { $0.streamBase = streamBase }
            ($0.cause, $0.reason) = (cause, update.reason)
            $0.evidence = evidence(update.loss, verdict)
        }
        let signed = passports?.sign(passport, payload: payload, digest: digest.digest)
        if signed == nil { ownTelemetry.drops.count(.unsigned, because: "version \(update.version): the key that signs has expired") }
        return signed
    }

    private var cause: UpdateCause {
        if isOrdered { return .operator }
        let rules = settings.triggers.map(\.name)
        let hasFired = guided.ledger.entries.contains { $0.serial >= lines.serial && $0.verdict == .fired && rules.contains($0.rule) }
        return hasFired ? .trigger : .schedule
    }

    private func evidence(_ loss: Double, _ verdict: GateVerdict?) -> Evidence {
        .with {
            ($0.learned, $0.trainingLoss) = (UInt64(learned), loss)
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
