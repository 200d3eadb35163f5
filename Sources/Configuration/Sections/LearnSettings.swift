import Learning
import Memory
import Statistics
import Updates
import Wiring

/// When the learner publishes and writes checkpoints, its trigger rules and its gate.
public struct LearnSettings: Codable, Sendable, Equatable {
    /// Where checkpoints are written and read back; empty: a directory of the run's own.
    public var directory = ""
    /// Moments between two published updates.
    public var publishEvery = 8
    /// Live mode: the longest time between published updates while something is learned, in seconds.
    public var publishInterval = 1.0
    /// Live mode: time between checkpoints, in seconds, and at least twenty times the time of writing one. Without new events none is
    /// written; the last model always is.
    public var checkpointInterval = 30.0
    /// Lockstep: moments between checkpoints.
    public var checkpointEvery = 256
    /// The most earlier versions that are kept beside the checkpoint, so that an operator can go back to one; 0: none.
    public var keptVersions = 4
    /// Every Nth version says which sessions and moments moved it, and what it got better and worse at; 0: none does.
    public var influenceEvery = 0
    /// The most corrections that answers recall; the oldest are discarded.
    public var corrections = 1_024
    /// The most tokens of texts that answers recall, word for word; the oldest are discarded. 0: none.
    public var rememberedTokens = 0
    /// The number of later moments for which one waits for its label before it is learned without it.
    public var labelPatience = 64
    /// The identity of the replayed stream, set by `accrete up`: a checkpoint of the same stream continues where it was. Empty: unknown.
    public var stream = ""
    /// The identity of a run of that stream, set by `accrete up`: a run that was killed continues as the same run.
    public var run = ""
    /// Live mode: seconds after which a waiting moment is remembered, to be replayed, without a step of its own, so that the newest are
    /// learned where learning is slower than the stream.
    public var maximumLatency = 2.0
    /// Live mode: how much the process gives way to others that want the processor, 0…19, so that learning does not slow predictions.
    public var niceness = 10
    /// Trigger rules: a list of `name`, `signal`, `detector`, `action`, …
    public var triggers: [TriggerRule] = []
    /// How models are published.
    public var updates = UpdateSettings()
    /// When an update is accepted for serving.
    public var gate = UpdateGate.Configuration()

    /// The most remembered tokens, which fit into one message.
    static let mostRememberedTokens = 1 << 14

    /// The memory of texts; nil where none is remembered.
    public var tokenMemory: TokenMemory.Configuration? {
        guard rememberedTokens > 0 else { return nil }
        var memory = TokenMemory.Configuration()
        memory.capacity = rememberedTokens
        return memory
    }

    public init() {}

    var problems: [SettingsError] {
        var ranges = RangeProblems()
        ranges.require("publishEvery", publishEvery, in: 1...1_000_000)
        ranges.require("publishInterval", publishInterval, in: 0.01...86_400)
        ranges.require("checkpointInterval", checkpointInterval, in: 0.1...86_400)
        ranges.require("keptVersions", keptVersions, in: 0...64)
        ranges.require("influenceEvery", influenceEvery, in: 0...1_000_000)
        ranges.require("corrections", corrections, in: 0...4_096)
        ranges.require("rememberedTokens", rememberedTokens, in: 0...Self.mostRememberedTokens)
        ranges.require("labelPatience", labelPatience, in: 0...100_000)
        ranges.require("maximumLatency", maximumLatency, in: 0.001...86_400)
        ranges.require("niceness", niceness, in: 0...19)
        ranges.require("checkpointEvery", checkpointEvery, in: 1...1_000_000_000)
        var found = ranges.found + updates.problems.map { SettingsError("updates.\($0.key)", $0.problem) }
        do {
            try gate.validate()
        } catch {
            found.append(SettingsError("gate", error.description))
        }
        do {
            _ = try Triggers(triggers)
        } catch {
            found.append(SettingsError("triggers", error.description))
        }
        if !gate.enabled, let rule = triggers.first(where: { $0.signal == "anchor_loss" }) {
            found.append(SettingsError("triggers", "rule '\(rule.name)' uses the signal anchor_loss, which needs learn.gate.enabled"))
        }
        return found
    }
}
