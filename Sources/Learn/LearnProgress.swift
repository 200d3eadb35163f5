import Pipeline

/// A learner's position in its stream; part of its checkpoint.
public struct LearnProgress: Codable, Sendable, Equatable {
    /// The newest published version.
    public var version: UInt64 = 0
    /// Greatest ordinal of a moment learned from, and the same of what is published.
    public var watermark: UInt64 = 0
    public var servingWatermark: UInt64 = 0
    /// Ordinal of the newest moment received, and the same at the newest published update.
    public var momentsSeen: UInt64 = 0
    public var momentsPublished: UInt64 = 0
    /// Ordinal of the newest moment at the newest checkpoint.
    public var momentsStored: UInt64 = 0
    /// Whether the end of the stream has been learned.
    public var isFinished = false
    /// The identity of the replayed stream; empty: a stream that cannot start again.
    public var stream = ""
    /// The identity of the run of that stream; nil in a checkpoint that does not have it.
    public var run: String?
    /// Ordinal before the stream's first moment, and the number of events of the stream that have been processed.
    public var streamBase: UInt64 = 0
    public var events: UInt64 = 0
    /// The time of the trigger rules, nanoseconds; it does not run back.
    public var time: Int64 = 0
    /// Position of the newest event in fuse's journal, and the ordinal in ingest's that its moments reach; nil before any.
    public var position: UInt64?
    public var journal: UInt64?
    /// The domain of the newest moment that named one.
    public var domain = ""
    /// Whether the shared model has learned from what may not leave this machine; nil in a checkpoint from before there were classes.
    public var local: Bool?
    /// Ordinal of the newest record of ingest's journal that anything was made of; nil before any.
    public var reached: UInt64?

    public init() {}

    /// Whether the numbers are valid: no run comes near the bound, so a number beyond it is damage.
    var isPlausible: Bool {
        [
            version, watermark, servingWatermark, momentsSeen, momentsPublished, momentsStored, streamBase, events, position ?? 0,
            journal ?? 0,
        ].allSatisfy { $0 <= ReservedNumbers.most }
            && momentsPublished <= momentsSeen && momentsStored <= momentsSeen && streamBase <= momentsSeen
    }

    /// Whether it is of a replay of a stream, from its beginning on.
    public func isReplayed(_ stream: String) -> Bool { !stream.isEmpty && self.stream == stream && streamBase == 0 && events > 0 }

    /// Notes a record of ingest's journal.
    mutating func reach(_ ordinal: UInt64) {
        if ordinal > 0 { reached = max(reached ?? 0, ordinal) }
    }

    /// Starts another stream after what was learned before.
    mutating func begin(_ stream: String, run: String) {
        (self.stream, self.run, streamBase, events, isFinished) = (stream, run, momentsSeen, 0, false)
    }

    /// Whether this state continues a stream that starts again. A stream learned to its end is not learned again by the same run; another
    /// run starts after it.
    func goesOn(with stream: String, run: String) -> Bool {
        !stream.isEmpty && self.stream == stream && (!isFinished || !run.isEmpty && self.run == run)
    }
}
