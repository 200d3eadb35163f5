import Statistics

/// How a learner of moments keeps the old while it learns the new: what each step learns from, and what it is held to.
///
///     loss = the model's loss over the new moment and the recalled ones
///          + matchWeight · mean of (logits − logits then)² over recalled rows
///          + distillWeight · mean of (logits − logits of the last consolidated weights)² over the new row
///          + elastic consolidation's penalty
///
/// Strategies are chosen by name and combined by naming several: `der++, ewc`. What a combination does is the union of what its parts do.
public struct MomentStrategy: Settings {
    /// Whether a moment makes a step by itself; otherwise it is remembered, and triggers decide when to learn.
    public var updates = true
    /// Whether remembered moments are learned again in each step.
    public var replays = false
    /// Holds recalled rows to the logits they had when they were new. Recalled rows are learned and matched in one: https://arxiv.org/abs/2004.07211
    /// draws twice; one draw costs half as many rows.
    public var matchWeight = 0.0
    /// Holds the new row to what the weights of the last consolidation say of it.  https://arxiv.org/abs/1606.09282
    public var distillWeight = 0.0
    /// The stiffness of elastic weight consolidation.
    public var elasticStrength = 0.0
    /// Recalls those that a step for the new moment alone would harm most, among so many times as many drawn; 0: as they are drawn.
    /// https://arxiv.org/abs/1908.04742
    public var candidates = 0
    /// The rate of the step that is only thought of, to see whom it would harm.
    public var candidateRate = 0.05
    /// A name in `momentScopes`: what learns.
    public var scope = "all"

    public init() {}

    /// The union of the strategies of a list of names, separated by commas, with settings laid over it.
    public init(named names: String, settings: JSONValue = .object([:])) throws(SettingsError) {
        self.init()
        for name in names.split(separator: ",").map({ $0.filter { !$0.isWhitespace } }) {
            guard let part = momentStrategies.first(where: { $0.key == name })?.value else {
                throw SettingsError("strategy", "there is no '\(name)'; there are \(momentStrategies.map(\.key).joined(separator: ", "))")
            }
            join(part)
        }
        try merge(settings)
    }

    private init(_ change: (inout Self) -> Void) { change(&self) }

    private mutating func join(_ other: Self) {
        updates = updates && other.updates
        replays = replays || other.replays
        matchWeight = max(matchWeight, other.matchWeight)
        distillWeight = max(distillWeight, other.distillWeight)
        elasticStrength = max(elasticStrength, other.elasticStrength)
        candidates = max(candidates, other.candidates)
        if other.scope != "all" { scope = other.scope }
    }

    public func validate() throws(SettingsError) {
        for (key, value) in [
            ("match_weight", matchWeight), ("distill_weight", distillWeight), ("elastic_strength", elasticStrength),
            ("candidate_rate", candidateRate),
        ] {
            try SettingsError.require(value >= 0 && value <= 1e9, key, "\(value) is not in 0…1e9")
        }
        try SettingsError.require((0...64).contains(candidates), "candidates", "\(candidates) is not in 0…64")
        try SettingsError.require(
            momentScopes.contains { $0.key == scope }, "scope",
            "there is no '\(scope)'; there are \(momentScopes.map(\.key).joined(separator: ", "))")
    }

    fileprivate static func with(_ change: (inout Self) -> Void) -> Self { Self(change) }
}

/// Every strategy, by the name that configurations use.
public let momentStrategies: KeyValuePairs<String, MomentStrategy> = [
    "never": .with {
        $0.updates = false; $0.replays = true
    },  // remembers, so that a trigger's burst has something to learn
    "always": .with { _ in },  // each moment one step, nothing of the past
    "er": .with { $0.replays = true },
    "der++": .with {
        $0.replays = true; $0.matchWeight = 0.5
    },
    "mir": .with {
        $0.replays = true; $0.candidates = 3
    },
    "lwf": .with { $0.distillWeight = 0.5 },
    "ewc": .with { $0.elasticStrength = 100 },
    "heads": .with { $0.scope = "heads" },
    "trunk": .with { $0.scope = "trunk" },
]

/// What of a model may learn, by name; what does not costs no gradient and no optimiser memory.
public let momentScopes: KeyValuePairs<String, @Sendable (_ parameter: String) -> Bool> = [
    "all": { _ in true },
    "heads": { name in ["fusion.", "head.", "expert.", "ln_f"].contains { name.hasPrefix($0) } || name.contains(".norm.") },
    "trunk": { name in ["h.", "wte", "wpe", "ln_f", "fusion.prefix"].contains { name.hasPrefix($0) } },
]

/// Whether a parameter learns in the scope of a name.
func learns(_ parameter: String, in scope: String) -> Bool {
    momentScopes.first { $0.key == scope }?.value(parameter) ?? true
}
