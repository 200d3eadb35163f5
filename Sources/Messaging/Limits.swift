/// The bounds of messages, queues and waits. Each is a setting; the defaults suit a machine of a few cores.
public struct Limits: Sendable, Equatable, Codable {
    /// A larger frame is refused as `oversize`, bytes.
    public var frameBytes = 16 << 20

    /// A frame larger than this many times `frameBytes` is never read: ZeroMQ cuts the connection.
    public var cutFactor = 4

    /// A message with more parts than this is refused as `tooManyParts`: topic, header and payload frames.
    public var parts = 16

    /// Messages that ZeroMQ keeps for one peer that reads slowly; the newest are lost beyond it.
    public var sendQueue = 1_000

    /// Messages that ZeroMQ keeps from one peer before the receiver has taken them.
    public var receiveQueue = 1_000

    /// Messages received that wait for the stage. A live stage that is too slow reads what is this many messages old.
    public var waitingMessages = 1_024

    /// Bytes received that wait for the stage, not counting the newest batch.
    public var waitingBytes = 16 << 20

    /// Topics and sources whose sequence numbers are kept.
    public var sources = 4_096

    /// How long a closing publisher keeps trying to deliver what it has sent, milliseconds.
    public var lingerMilliseconds = 1_000

    public init() {}

    /// For runs that must lose nothing: queues that the replay's own window never fills.
    public static var lossless: Limits {
        var limits = Limits()
        limits.sendQueue = 100_000
        limits.receiveQueue = 100_000
        limits.waitingMessages = 16_384
        limits.waitingBytes = 256 << 20
        return limits
    }
}
