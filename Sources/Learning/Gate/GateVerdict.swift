/// A gate's decision about a candidate, with its reason and the losses it is based on. Losses are in nats per label, lower is better.
public struct GateVerdict: Sendable, Equatable {
    /// What was decided.
    public enum Decision: String, Codable, Sendable {
        /// The candidate becomes the serving version.
        case accepted
        /// The serving version stays.
        case refused
        /// The serving version was worse than the one before it, which serves again.
        case rolledBack = "rolled_back"
    }

    /// What was decided.
    public var decision: Decision
    /// Why, in words.
    public var reason: String
    /// Whether the candidate was refused because of its losses on anchors.
    public var isContradicted = false
    /// The candidate's mean loss over recent moments, each scored before it was learned.
    public var candidateLoss = 0.0
    /// The serving version's mean loss over the same moments.
    public var servingLoss = 0.0
    /// The frozen baseline's mean loss over the same moments.
    public var frozenLoss = 0.0
    /// The ungated baseline's mean loss over the same moments.
    public var scheduledLoss = 0.0
    /// The candidate's mean loss on the anchors.
    public var anchorLoss = 0.0
    /// The mean reference loss of the anchors.
    public var anchorReference = 0.0
    /// The number of anchors.
    public var anchors = 0
    /// The number of recent moments.
    public var recent = 0
}

/// The running results of one version: of the serving version, of the frozen baseline, or of the ungated baseline, which is replaced by
/// every candidate.
public struct GateTally: Codable, Sendable, Equatable {
    /// The number of scored moments.
    public var labelled = 0
    /// How many of them were predicted correctly.
    public var right = 0
    /// The sum of losses, in nats.
    public var loss = 0.0

    /// The share of correct predictions.
    public var accuracy: Double { labelled > 0 ? Double(right) / Double(labelled) : 0 }
    /// The mean loss, in nats.
    public var meanLoss: Double { labelled > 0 ? loss / Double(labelled) : 0 }

    mutating func add(_ score: MomentScorer.Score) {
        labelled += 1
        right += score.isRight ? 1 : 0
        loss += score.loss.isFinite ? score.loss : 0
    }
}
