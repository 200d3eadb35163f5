import Learning
import Schema

extension GateVerdict {
    /// The verdict as a message.
    func message(_ gate: UpdateGate?, _ progress: LearnProgress) -> Schema.Verdict {
        .with {
            $0.version = progress.version
            $0.decision = decision.rawValue
            $0.reason = reason
            ($0.candidateLoss, $0.servingLoss) = (candidateLoss, servingLoss)
            ($0.frozenLoss, $0.scheduledLoss) = (frozenLoss, scheduledLoss)
            ($0.anchorLoss, $0.anchorReference) = (anchorLoss, anchorReference)
            ($0.recent, $0.anchors) = (UInt32(recent), UInt32(anchors))
            for (name, tally) in gate?.tallies ?? [:] {
                $0.tallies[name] = .with { ($0.labelled, $0.accuracy, $0.loss) = (UInt64(tally.labelled), tally.accuracy, tally.meanLoss) }
            }
            for (decision, count) in gate?.decisions ?? [:] { $0.decisions[decision.rawValue] = UInt64(count) }
            $0.momentsSeen = progress.momentsSeen
        }
    }
}
