import Statistics

/// When a sense is no longer trusted.
public struct ReliabilitySettings: Codable, Sendable, Equatable {
    /// Whether an unreliable modality is left out of predictions, or only told.
    public var mutes = true
    /// A modality is muted when its reliability falls below this, and readmitted when it rises above the other.
    public var muteBelow = 0.3
    public var readmitAbove = 0.6
    /// Weight of the newest moment in what a modality's readings tell.
    public var readingWeight = 0.3
    /// Weight of the newest label in what a modality's errors tell.
    public var errorWeight = 0.1
    /// Weight of the newest moment in what counts as usual.
    public var usualWeight = 0.02
    /// Deviations from the usual from which on trust sinks; at twice as many none is left.
    public var limit = 4.0
    /// Moments, and labels, until it is known what is usual.
    public var warmUp = 30
    /// Moments in a row after which something unusual is the new usual.
    public var patience = 300

    public init() {}

    var problems: [(key: String, text: String)] {
        var problems = RangeProblems()
        problems.require("muteBelow", muteBelow, in: 0...1)
        problems.require("readmitAbove", readmitAbove, in: (0...1).contains(muteBelow) ? muteBelow...1 : 0...1)
        problems.require("readingWeight", readingWeight, in: 0.001...1)
        problems.require("errorWeight", errorWeight, in: 0.001...1)
        problems.require("usualWeight", usualWeight, in: 0.0001...1)
        problems.require("limit", limit, in: 0.1...1000)
        problems.require("warmUp", warmUp, in: 2...1_000_000)
        problems.require("patience", patience, in: 1...1_000_000_000)
        return problems.found
    }
}
