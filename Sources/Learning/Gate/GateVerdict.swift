/// What a gate said of a candidate, and what it had to go by. Losses are in nats a label, lower is better.
public struct GateVerdict: Sendable, Equatable {
    public enum Decision: String, Codable, Sendable {
        case accepted
        case refused
        /// What was published before did worse than what was published before it, which is back.
        case rolledBack = "rolled_back"
    }

    public var decision: Decision
    public var reason: String
    /// Refused because it has lost what was known.
    public var isContradicted = false
    /// Over recent moments, each judged before anything was learned from it.
    public var candidateLoss = 0.0
    public var servingLoss = 0.0
    public var frozenLoss = 0.0
    public var scheduledLoss = 0.0
    /// Over old moments.
    public var anchorLoss = 0.0
    public var anchorReference = 0.0
    public var anchors = 0
    public var recent = 0
}

/// How one player has done so far: the version on duty, the twin that never learns, the dummy that is renewed on a fixed schedule whatever the gate says.
public struct GateTally: Codable, Sendable, Equatable {
    public var labelled = 0
    public var right = 0
    public var loss = 0.0

    public var accuracy: Double { labelled > 0 ? Double(right) / Double(labelled) : 0 }
    public var meanLoss: Double { labelled > 0 ? loss / Double(labelled) : 0 }

    mutating func add(_ judgement: MomentJudge.Judgement) {
        labelled += 1
        right += judgement.isRight ? 1 : 0
        loss += judgement.loss.isFinite ? judgement.loss : 0
    }
}
