import Messaging
import Schema
import Statistics

/// What a stage does, as a value that knows nothing of sockets, queues or threads.
///
/// The same inputs at the same times give the same outputs. A `Stage` seats it on the bus; a test calls it directly.
public protocol Processor: SendableMetatype {
    associatedtype Input: Inbound
    associatedtype Output: Outbound

    /// Takes one input. What is refused is counted by its reason and costs nothing else.
    mutating func process(_ input: Input, at now: Instant) throws(Refusal) -> [Output]

    /// Called now and then, whether or not anything comes.
    mutating func tick(at now: Instant) -> [Output]

    /// The last call: the stage is about to end, because the processor has finished or because it was told to stop.
    mutating func finish(at now: Instant) -> [Output]

    /// Whether nothing more will come of further inputs; the stage then sends what is left and ends.
    var isFinished: Bool { get }

    /// What the stage tells about the processor in its status.
    var telemetry: Telemetry { get }
}

extension Processor {
    public mutating func tick(at now: Instant) -> [Output] { [] }
    public mutating func finish(at now: Instant) -> [Output] { [] }
    public var isFinished: Bool { false }
    public var telemetry: Telemetry { Telemetry() }
}

/// What a message turns into before it is processed.
public protocol Inbound {
    /// Decodes the message and checks what can be checked without knowing others. `message.decode()` does most of it;
    /// the stage has checked the stamp's version and sequence.
    init(_ message: WireMessage) throws(Refusal)
}

/// What comes of processing.
public protocol Outbound {
    var outgoing: Outgoing { get }
}

/// A message ready to be sent but for its stamp: the stage fills in who, when and how manieth.
public struct Outgoing: Outbound, Sendable {
    public let topic: String
    public var message: any Stamped
    public let payload: [Payload]

    /// A stamp that names a clock keeps its time; else the stage's time is filled in.
    public init<Message: Stamped>(_ message: Message, on topic: Topic<Message>, payload: [Payload] = []) {
        self.topic = topic.name
        self.message = message
        self.payload = payload
    }

    public var outgoing: Outgoing { self }
}

/// What a processor tells about itself; running totals since it began.
public struct Telemetry: Sendable {
    public var drops = Drops()
    public var gauges: [String: Double] = [:]
    /// Seconds.
    public var latencies: [String: QuantileSketch] = [:]
    public var modelVersion: UInt64 = 0

    public init() {}
}

/// How much was dropped, by reason.
public struct Drops: Sendable, Equatable {
    public private(set) var counts: [Reason: UInt64] = [:]
    /// Why the newest was dropped, where that was said, by reason; the stage logs it.
    public private(set) var causes: [Reason: String] = [:]

    public init() {}

    public mutating func count(_ reason: Reason, _ number: UInt64 = 1) { counts[reason] = self[reason].clampedAdding(number) }

    /// Counts one more, and says why.
    public mutating func count(_ reason: Reason, because cause: String) {
        count(reason)
        causes[reason] = String(cause.prefix(Self.longestCause))
    }

    public mutating func add(_ others: [Reason: UInt64]) { counts.merge(others) { $0.clampedAdding($1) } }

    public mutating func add(_ others: Drops) {
        add(others.counts)
        causes.merge(others.causes) { $1 }
    }

    /// In characters.
    private static let longestCause = 1000

    public subscript(reason: Reason) -> UInt64 { counts[reason] ?? 0 }

    public var total: UInt64 { counts.values.reduce(0) { $0.clampedAdding($1) } }

    /// Keyed as in a status.
    public var byName: [String: UInt64] {
        Dictionary(uniqueKeysWithValues: counts.map { ($0.key.rawValue, $0.value) })
    }
}
