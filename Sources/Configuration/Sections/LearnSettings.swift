import Learning
import Statistics
import Wiring

/// When the learner speaks and writes, and how it learns.
public struct LearnSettings: Codable, Sendable, Equatable {
    /// Where checkpoints are written and read back; empty: a directory of the run's own.
    public var directory = ""
    /// Moments between two published updates.
    public var publishEvery = 8
    /// The longest time between published updates while something is learned, in seconds; live only.
    public var publishInterval = 1.0
    /// Time between checkpoints, in seconds, and at least twenty times what writing one takes; live only, where something has come since. The last model is
    /// always written.
    public var checkpointInterval = 30.0
    /// Moments between checkpoints; lockstep only.
    public var checkpointEvery = 256
    /// How many later moments one waits for its label before it is learned without.
    public var labelPatience = 64
    /// What tells the replayed stream from others: a checkpoint of the same one goes on where it was; set by `accrete up`. Empty: none is told apart.
    public var stream = ""
    /// What tells a run of that stream from others: one that was killed goes on as itself; set by `accrete up`.
    public var run = ""
    /// Rules of when to act: a list of `name`, `signal`, `detector`, `action`, …
    public var triggers: [TriggerRule] = []
    public var gate = UpdateGate.Configuration()

    public init() {}

    var problems: [(key: String, text: String)] {
        var ranges = RangeProblems()
        ranges.require("publishEvery", publishEvery, in: 1...1_000_000)
        ranges.require("publishInterval", publishInterval, in: 0.01...86_400)
        ranges.require("checkpointInterval", checkpointInterval, in: 0.1...86_400)
        ranges.require("labelPatience", labelPatience, in: 0...100_000)
        ranges.require("checkpointEvery", checkpointEvery, in: 1...1_000_000_000)
        var found = ranges.found
        do {
            try gate.validate()
        } catch {
            found.append(("gate", error.description))
        }
        do {
            _ = try Triggers(triggers)
        } catch {
            found.append(("triggers", error.description))
        }
        if !gate.enabled, let rule = triggers.first(where: { $0.signal == "anchor_loss" }) {
            found.append(("triggers", "rule '\(rule.name)' listens to anchor_loss, which learn.gate.enabled tells"))
        }
        return found
    }
}
