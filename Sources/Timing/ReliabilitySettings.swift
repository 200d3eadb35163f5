import Statistics

/// When a sense counts as unreliable, and how fast that changes.
public struct ReliabilitySettings: Codable, Sendable, Equatable {
    /// Whether an unreliable modality is left out of predictions, or only reported.
    public var mutes = true
    /// A modality is muted when its reliability, 0 … 1, falls below this, and readmitted when it rises above `readmitAbove`.
    public var muteBelow = 0.3
    public var readmitAbove = 0.6
    /// Weight of the newest moment in the average of a modality's reading quality.
    public var readingWeight = 0.3
    /// Weight of the newest label in the average of a modality's errors.
    public var errorWeight = 0.1
    /// Weight of the newest moment in the usual statistics.
    public var usualWeight = 0.02
    /// Deviations from the usual statistics above which reliability falls; at twice as many it is 0.
    public var limit = 4.0
    /// Moments, and labels, until the usual statistics are known.
    public var warmUp = 30
    /// Unusual moments in a row after which the usual statistics are learned again.
    public var patience = 300

    public init() {}

    var problems: [SettingsError] {
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
