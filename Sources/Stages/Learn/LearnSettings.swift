/// When the learner speaks and writes, and how it learns.
public struct LearnSettings: Codable, Sendable, Equatable {
    /// Where checkpoints are written and read back; empty: a directory of the run's own.
    public var directory = ""
    /// Moments between two published updates.
    public var publishEvery = 8
    /// The longest time between published updates while something is learned, in seconds; live only.
    public var publishInterval = 1.0
    /// Time between checkpoints, in seconds; live only. The last model is always written.
    public var checkpointInterval = 30.0
    /// How many later moments one waits for its label before it is learned without.
    public var labelPatience = 64

    public init() {}
}
