import Statistics

/// How the learner publishes models, and how it answers subscribers that have missed some.
public struct UpdateSettings: Codable, Sendable, Equatable {
    /// How updates are written. A model's float32 numbers are published bit for bit with `whole` and `exact`.
    public var coding = UpdateCoding.whole
    /// With deltas: the most versions from one whole model to the next, for subscribers that take no deltas and for new ones.
    public var wholeEvery = 64
    /// The most deltas that are kept for subscribers that have missed them.
    public var kept = 256
    /// The most bytes of these.
    public var keptBytes = 64 << 20
    /// The greatest size of a piece in which a payload is sent to a subscriber that asks for it.
    public var pieceBytes = 1 << 20
    /// The most bytes that are sent in a second to those that ask, and to one of them.
    public var byteRate = 64e6
    public var subscriberByteRate = 32e6
    /// The most questions and reports in a second from one subscriber.
    public var subscriberRate = 200.0
    /// The most subscribers whose reports and rates are kept.
    public var subscribers = 1_024
    /// The share of subscribers that try a new version first, 0…1; 0: all adopt it at once.
    public var canaryShare = 0.0
    /// The number of those that must have adopted it before the others do.
    public var canaryQuorum = 1
    /// The longest time that the others wait, in seconds; then they adopt it unless more have refused than adopted it.
    public var canaryWait = 10.0

    public init() {}

    /// The invalid settings, by key.
    public var problems: [SettingsError] {
        var ranges = RangeProblems()
        ranges.require("wholeEvery", wholeEvery, in: 1...1_000_000)
        ranges.require("kept", kept, in: 0...4_096)
        ranges.require("keptBytes", keptBytes, in: 0...(1 << 40))
        ranges.require("pieceBytes", pieceBytes, in: 1_024...(1 << 28))
        ranges.require("byteRate", byteRate, in: 1...1e12)
        ranges.require("subscriberByteRate", subscriberByteRate, in: 1...1e12)
        ranges.require("subscriberRate", subscriberRate, in: 0.1...1e6)
        ranges.require("subscribers", subscribers, in: 1...1_000_000)
        ranges.require("canaryShare", canaryShare, in: 0...1)
        ranges.require("canaryQuorum", canaryQuorum, in: 1...1_000_000)
        ranges.require("canaryWait", canaryWait, in: 0.1...86_400)
        return ranges.found
    }
}
