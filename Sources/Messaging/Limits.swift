import Schema
import Statistics

/// The bounds of messages, queues and waits. Each is a setting; the defaults suit a machine of a few cores.
public struct Limits: Sendable, Equatable, Codable {
    /// A larger frame is refused as `oversize`, bytes.
    public var frameBytes = 16 << 20

    /// A frame larger than this many times `frameBytes` is never read: ZeroMQ closes the connection. A connection is also closed when more
    /// than that has arrived on it without the end of a message.
    public var cutFactor = 4

    /// A message with more parts than this is refused as `tooManyParts`: topic, header and payload frames.
    public var parts = 16

    /// A larger header is refused as `oversize`, bytes.
    public var headerBytes = 1 << 20

    /// A longer name is refused, bytes: a topic as `oversize`; a source, session, clock, modality, format, domain, id or key in a
    /// header as `tooLarge`.
    public var nameBytes = 160

    /// A longer text or piece of JSON in a header is refused as `tooLarge`, bytes.
    public var textBytes = 64 << 10

    /// A list of names or messages, or a map, with more entries is refused as `tooLarge`.
    public var entries = 4_096

    /// Messages that ZeroMQ keeps for one peer that reads slowly; beyond it the newest are lost.
    public var sendQueue = 1_000

    /// Bytes of large payloads that wait for slow peers. In live mode a peer for which more wait loses the newest until it has read.
    public var sendBytes = 64 << 20

    /// Bytes of the prefixes that one peer may subscribe to; beyond it the connection is closed.
    public var subscriptionBytes = 64 << 10

    /// Messages that ZeroMQ keeps from one peer before the receiver has taken them.
    public var receiveQueue = 1_000

    /// Messages received that wait for the stage. A live stage that is too slow reads messages that are this many behind.
    public var waitingMessages = 1_024

    /// Bytes received that wait for the stage, not counting the newest batch.
    public var waitingBytes = 16 << 20

    /// Live mode: the share of `waitingMessages` and `waitingBytes` that one source may take while messages of others wait.
    public var sourceShare = 0.25

    /// Topics and sources whose sequence numbers are kept.
    public var sources = 4_096

    /// How long a closing publisher keeps trying to deliver what it has sent, milliseconds.
    public var lingerMilliseconds = 1_000

    public init() {}

    /// The bounds for lockstep runs, which must lose nothing: queues that the replay's own window never fills.
    public static var lossless: Limits { Limits().lossless }

    /// These bounds for lockstep runs: queues left at their default become as large as those of `Limits.lossless`.
    public var lossless: Limits {
        var limits = self
        let usual = Limits()
        if sendQueue == usual.sendQueue { limits.sendQueue = 100_000 }
        if receiveQueue == usual.receiveQueue { limits.receiveQueue = 100_000 }
        if waitingMessages == usual.waitingMessages { limits.waitingMessages = 16_384 }
        if waitingBytes == usual.waitingBytes { limits.waitingBytes = 256 << 20 }
        return limits
    }

    /// The bounds of names, texts and lists in a header.
    public var header: HeaderBounds { HeaderBounds(nameBytes: nameBytes, textBytes: textBytes, entries: entries) }

    /// Bytes that may arrive on a connection without the end of a message.
    var unfinishedBytes: Int { frameBytes.clampedMultiplying(by: cutFactor) }

    /// The greatest size of a message's part, in bytes: the topic's name, the header, payload frames.
    func bound(ofPart index: Int) -> Int {
        switch index {
        case 0: min(nameBytes, frameBytes)
        case 1: min(headerBytes, frameBytes)
        default: frameBytes
        }
    }
}

extension Limits {
    /// The largest file that one message can carry in frames, in bytes: bounded by its parts, and by what a connection may receive without
    /// the end of a message.
    public var updateBytes: Int { min(frameBytes.clampedMultiplying(by: parts - 2), frameBytes.clampedMultiplying(by: cutFactor)) }
}
