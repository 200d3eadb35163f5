import Statistics

/// How a learner keeps the old while it learns the new: which of the past goes into each step, and how it counts.
///
///     loss = mean of cross entropy over new rows (weight 1) and replayed rows (weight `replayWeight`)
///          + matchWeight · mean of (logits − logits then)² over matched rows
///          + distillWeight · mean of (logits − logits of the last consolidated weights)² over new rows
///          + elastic consolidation's penalty
///
/// Naive learning is rehearsal of nothing; experience replay (https://arxiv.org/abs/1902.10486) is dark experience replay
/// (DER++, https://arxiv.org/abs/2004.07211) without matching; ER-ACE (https://arxiv.org/abs/2104.05025) lets new rows push down
/// only classes that are among them. DER-ACE is all of that at once, over a class-balanced memory.
/// Learning without forgetting (https://arxiv.org/abs/1606.09282) and elastic weight consolidation (`ElasticConsolidation`) need no
/// memory of the past, but to be told when a domain ends.
public struct Rehearsal: Settings {
    /// Remembered rows whose labels are learned again in each step.
    public var replayed = 10
    /// Remembered rows whose logits are held where they were.
    public var matched = 0
    public var replayWeight = 1.0
    public var matchWeight = 0.5
    /// Holds new rows to what the weights of the last consolidation say of them.
    public var distillWeight = 0.0
    /// The stiffness of elastic weight consolidation.
    public var elasticStrength = 0.0
    /// Whether new rows compete only with the classes among them.
    public var asymmetric = false
    /// A name in `replayPolicies`.
    public var policy = "reservoir"
    /// Rows remembered.
    public var memory = 500
    /// Steps for each batch, each with other remembered rows.
    public var steps = 1

    public init() {}

    init(
        replayed: Int, matched: Int = 0, asymmetric: Bool = false, policy: String = "reservoir", memory: Int = 500,
        distillWeight: Double = 0, elasticStrength: Double = 0
    ) {
        self.replayed = replayed
        self.matched = matched
        self.asymmetric = asymmetric
        self.policy = policy
        self.memory = memory
        self.distillWeight = distillWeight
        self.elasticStrength = elasticStrength
    }

    public func validate() throws(SettingsError) {
        for (key, value, least) in [("replayed", replayed, 0), ("matched", matched, 0), ("memory", memory, 0), ("steps", steps, 1)] {
            try SettingsError.require((least...1_000_000).contains(value), key, "\(value) is not in \(least)…1000000")
        }
        try SettingsError.require(replayWeight >= 0, "replay_weight", "\(replayWeight) is negative")
        try SettingsError.require(matchWeight >= 0, "match_weight", "\(matchWeight) is negative")
        try SettingsError.require(distillWeight >= 0, "distill_weight", "\(distillWeight) is negative")
        try SettingsError.require(elasticStrength >= 0, "elastic_strength", "\(elasticStrength) is negative")
        _ = try replayPolicy(policy)
    }
}

/// Every strategy, by the name that configurations use.
public let strategies: KeyValuePairs<String, Rehearsal> = [
    "naive": Rehearsal(replayed: 0, memory: 0),
    "lwf": Rehearsal(replayed: 0, memory: 0, distillWeight: 1),
    "ewc": Rehearsal(replayed: 0, memory: 0, elasticStrength: 100),
    "er": Rehearsal(replayed: 10),
    "der++": Rehearsal(replayed: 10, matched: 10),
    "er-ace": Rehearsal(replayed: 10, asymmetric: true),
    "der-ace": Rehearsal(replayed: 32, matched: 32, asymmetric: true, policy: "class-balanced"),
]

/// The strategy of a name with settings laid over its defaults.
public func strategy(_ name: String, settings: JSONValue = .object([:])) throws(SettingsError) -> Rehearsal {
    guard var strategy = strategies.first(where: { $0.key == name })?.value else {
        throw SettingsError("strategy", "there is no '\(name)'; there are \(strategies.map(\.key).joined(separator: ", "))")
    }
    try strategy.merge(settings)
    return strategy
}
