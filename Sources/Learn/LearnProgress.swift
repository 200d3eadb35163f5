import Pipeline

/// Where a learner stands in its stream; part of its checkpoint.
public struct LearnProgress: Codable, Sendable, Equatable {
    public var version: UInt64 = 0
    /// Greatest ordinal of a moment learned from, and the same of what is published.
    public var watermark: UInt64 = 0
    public var servingWatermark: UInt64 = 0
    /// Ordinal of the newest moment received, and the same at the newest published update.
    public var momentsSeen: UInt64 = 0
    public var momentsPublished: UInt64 = 0
    public var momentsStored: UInt64 = 0
    public var isFinished = false
    /// Which replayed stream this is; empty: none that could be begun again.
    public var stream = ""
    /// Which run of that stream this is; nil in a checkpoint from before runs were told apart.
    public var run: String?
    /// Ordinal before the stream's first moment, and events of the stream dealt with.
    public var streamBase: UInt64 = 0
    public var events: UInt64 = 0
    /// The rules' clock, nanoseconds; it does not run back.
    public var time: Int64 = 0
    public var domain = ""

    public init() {}

    /// Whether a stream can go on behind these numbers: no run gets anywhere near the bound, so what is beyond it is damage.
    var isPlausible: Bool {
        [version, watermark, servingWatermark, momentsSeen, momentsPublished, momentsStored, streamBase, events].allSatisfy {
            $0 <= ReservedNumbers.most
        }
            && momentsPublished <= momentsSeen && momentsStored <= momentsSeen && streamBase <= momentsSeen
    }

    /// Begins another stream behind what was learned before.
    mutating func begin(_ stream: String, run: String) {
        (self.stream, self.run, streamBase, events, isFinished) = (stream, run, momentsSeen, 0, false)
    }

    /// Whether a checkpoint of this state can go on with a stream that begins again. What has been learned to the end is not learned once more by the
    /// same run; another run begins behind it.
    func goesOn(with stream: String, run: String) -> Bool {
        !stream.isEmpty && self.stream == stream && (!isFinished || !run.isEmpty && self.run == run)
    }
}
