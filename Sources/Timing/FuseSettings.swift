import Statistics

/// How readings become moments, how far each sense is trusted, and what is told of a prediction.
public struct FuseSettings: Codable, Sendable, Equatable {
    /// The longest that a moment waits, after what ended it arrived, for readings still on their way, in seconds.
    public var lateness = 0.01
    /// What differs for single modalities: policy, tolerance, lateness, disorder, hold.
    public var alignment: [AlignmentRule] = []
    /// Feature frames kept of one modality of one session; the oldest make room.
    public var maximumFrames = 256
    /// Moments waiting to be closed.
    public var maximumPending = 1024
    /// Sessions remembered at once.
    public var maximumSessions = 256
    /// Sources of one session remembered at once.
    public var maximumSources = 64
    /// A source that was silent for this long, in seconds, is no longer waited for.
    public var sourceTimeout = 1.0
    /// A moment whose end arrived longer ago, in seconds, is not predicted any more, and a reading not turned into features; live only.
    public var maximumLatency = 1.0
    /// What every prediction tells of each modality's part in it.
    public var explain = ExplanationKind.none
    /// Whether every prediction tells where the fusion looked.
    public var attention = false
    /// Directory of a frozen BERT in Hugging Face's layout, whose features of the words are the sense `sentence`; empty: none.
    public var sentence = ""
    /// Moments that can be explained afterwards.
    public var remembered = 256
    public var reliability = ReliabilitySettings()

    public init() {}

    /// Every setting that makes no sense by itself, by key.
    public var problems: [(key: String, text: String)] {
        var problems = RangeProblems()
        problems.require("lateness", lateness, in: 0...3600)
        problems.require("maximumFrames", maximumFrames, in: 1...100_000)
        problems.require("maximumPending", maximumPending, in: 1...1_000_000)
        problems.require("maximumSessions", maximumSessions, in: 1...100_000)
        problems.require("maximumSources", maximumSources, in: 1...100_000)
        problems.require("sourceTimeout", sourceTimeout, in: 0...3600)
        problems.require("maximumLatency", maximumLatency, in: 0.001...86_400)
        problems.require("remembered", remembered, in: 0...1_000_000)
        return problems.found + alignment.flatMap(\.problems).map { ("alignment", $0) } + reliability.problems.inSection("reliability")
    }
}

/// How a prediction is explained.
public enum ExplanationKind: String, Choice {
    case none
    /// By hiding one modality at a time.
    case marginal
    /// By hiding every set of modalities, too; for as many as `Explanation.mostForShapley`.
    case shapley
}
