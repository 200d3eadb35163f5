import Statistics

/// How readings are aligned into moments, when a sense counts as reliable, and what is published with a prediction.
public struct FuseSettings: Codable, Sendable, Equatable {
    /// The longest time, in seconds, that a moment waits for late readings after the event that ended it has arrived.
    public var lateness = 0.01
    /// Live mode: the longest time, in seconds, that a moment waits for an extractor that still works on readings before the moment's end.
    public var extraction = 0.25
    /// Rules for single modalities: policy, tolerance, lateness, disorder, hold.
    public var alignment: [AlignmentRule] = []
    /// The most feature frames kept of one modality of one session; the oldest are dropped.
    public var maximumFrames = 256
    /// The most moments that wait to be closed.
    public var maximumPending = 1024
    /// The most sessions that are remembered.
    public var maximumSessions = 256
    /// The most sources of one session that are remembered.
    public var maximumSources = 64
    /// A source that was silent for this long, in seconds, is no longer waited for.
    public var sourceTimeout = 1.0
    /// Live mode: a moment whose end arrived longer ago, in seconds, is no longer predicted, and an older reading is not extracted.
    public var maximumLatency = 1.0
    /// How every prediction explains the contribution of each modality.
    public var explain = ExplanationKind.none
    /// Whether every prediction includes the attention maps of the fusion.
    public var attention = false
    /// Directory of a frozen BERT in Hugging Face's layout, whose features of the text are the sense `sentence`; empty: none.
    public var sentence = ""
    /// The number of newest moments that can be explained on request.
    public var remembered = 256
    /// The most labelled moments that predictions recall; 0: none.
    public var recalledLabels = 512
    /// The share of answers that may be wrong: a prediction that is less sure than that says so.
    public var risk = 0.05
    /// Live mode: the most labelled moments on which a version is tried before it serves; 0: none is tried.
    public var probes = 0
    /// By how much, in nats, a version may lose more on them than the one that serves.
    public var probeTolerance = 0.1
    /// When a sense counts as unreliable.
    public var reliability = ReliabilitySettings()

    public init() {}

    /// Every setting that is invalid by itself, by key.
    public var problems: [SettingsError] {
        var problems = RangeProblems()
        problems.require("lateness", lateness, in: 0...3600)
        problems.require("extraction", extraction, in: 0...3600)
        problems.require("maximumFrames", maximumFrames, in: 1...100_000)
        problems.require("maximumPending", maximumPending, in: 1...1_000_000)
        problems.require("maximumSessions", maximumSessions, in: 1...100_000)
        problems.require("maximumSources", maximumSources, in: 1...100_000)
        problems.require("sourceTimeout", sourceTimeout, in: 0...3600)
        problems.require("maximumLatency", maximumLatency, in: 0.001...86_400)
        problems.require("remembered", remembered, in: 0...1_000_000)
        problems.require("risk", risk, in: 0...1)
        problems.require("recalledLabels", recalledLabels, in: 0...4_096)
        problems.require("probes", probes, in: 0...4_096)
        problems.require("probeTolerance", probeTolerance, in: 0...100)
        return problems.found + alignment.flatMap(\.problems).map { SettingsError("alignment", $0) }
            + reliability.problems.inSection("reliability")
    }
}

/// How a prediction is explained.
public enum ExplanationKind: String, Choice {
    case none
    /// The change of the prediction when one modality at a time is hidden.
    case marginal
    /// Also Shapley values, by hiding every subset of modalities; for at most `Explanation.mostForShapley` modalities.
    case shapley
}
