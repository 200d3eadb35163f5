import Messaging
import Schema
import Statistics

/// The logic of a stage, as a value that knows nothing of sockets, queues or threads.
///
/// The same inputs at the same times give the same outputs. A `Stage` runs it on its own queue and connects it to the bus; a test calls it
/// directly.
public protocol Processor: SendableMetatype {
    associatedtype Input: Inbound
    associatedtype Output: Outbound

    /// Processes one input.
    /// - Throws: `Refusal` for bad input, which the stage counts by its reason and drops.
    mutating func process(_ input: Input, at now: Instant) throws(Refusal) -> [Output]

    /// Called for a message of a sender that is answered, where it was refused: by `Input`, by `process`, or before.
    mutating func refuse(_ message: WireMessage, because refusal: Refusal, at now: Instant) -> [Output]

    /// Called periodically, whether or not input arrives.
    mutating func tick(at now: Instant) -> [Output]

    /// Whether there is work that waits until no input does.
    var hasWork: Bool { get }

    /// Does a bounded part of that work. The stage calls it while `hasWork`, and takes what has arrived between two calls: so input never
    /// waits for long, and a processor that is slower than its input can choose the newest of it.
    mutating func work(at now: Instant) -> [Output]

    /// The last call: the stage is about to end, because the processor has finished or because it was stopped.
    mutating func finish(at now: Instant) -> [Output]

    /// Whether further inputs give no more outputs; the stage then sends what is left and ends.
    var isFinished: Bool { get }

    /// The processor's part of the stage's status.
    var telemetry: Telemetry { get }
}

extension Processor {
    public mutating func refuse(_ message: WireMessage, because refusal: Refusal, at now: Instant) -> [Output] { [] }
    public mutating func tick(at now: Instant) -> [Output] { [] }
    public var hasWork: Bool { false }
    public mutating func work(at now: Instant) -> [Output] { [] }
    public mutating func finish(at now: Instant) -> [Output] { [] }
    public var isFinished: Bool { false }
    public var telemetry: Telemetry { Telemetry() }
}

/// The decoded form of a message, as a processor takes it.
public protocol Inbound {
    /// Decodes the message and checks what can be checked without other messages. `message.decode()` does most of it; the stage
    /// has checked the stamp's version and sequence.
    /// - Throws: `Refusal` for a message that is not accepted.
    init(_ message: WireMessage) throws(Refusal)
}

/// An output of a processor, which becomes one message.
public protocol Outbound {
    var outgoing: Outgoing { get }
}

/// A message that is complete except for its stamp: the stage fills in source, time, epoch and sequence number.
public struct Outgoing: Outbound, Sendable {
    /// The topic's name.
    public let topic: String
    /// The header, whose stamp the stage completes.
    public var message: any Stamped
    /// Frames after the header.
    public let payload: [Payload]
    /// The only receiver, of an answer to a message that it has sent; nil: whoever has subscribed.
    public var peer: Peer?
    /// Whether it goes to the endpoint that this stage asks, and to nobody else.
    public private(set) var isQuestion = false

    /// - Parameters:
    ///   - message: where its stamp names a clock, the stamp's time is kept; else the stage's time is filled in.
    ///   - topic: where it is published.
    ///   - payload: frames after the header.
    public init<Message: Stamped>(_ message: Message, on topic: Topic<Message>, payload: [Payload] = []) {
        self.topic = topic.name
        self.message = message
        self.payload = payload
    }

    /// The same for one receiver alone, which has sent a message.
    public func only(to peer: Peer) -> Outgoing {
        var answer = self
        answer.peer = peer
        return answer
    }

    /// The same as a question to the endpoint that this stage asks.
    public func asked() -> Outgoing {
        var question = self
        question.isQuestion = true
        return question
    }

    public var outgoing: Outgoing { self }
}

/// What a processor reports about itself; totals since it started.
public struct Telemetry: Sendable {
    /// What the processor dropped itself, beside refusals.
    public var drops = Drops()
    /// Current values by name.
    public var gauges: [String: Double] = [:]
    /// Seconds.
    public var latencies: [String: QuantileSketch] = [:]
    /// The version of the model in use; 0 without one.
    public var modelVersion: UInt64 = 0

    public init() {}
}

/// The number of messages dropped, by reason.
public struct Drops: Sendable, Equatable {
    /// The number of drops by reason.
    public private(set) var counts: [Reason: UInt64] = [:]
    /// The explanation of the newest drop of each reason, where one was given; the stage logs it.
    public private(set) var causes: [Reason: String] = [:]

    public init() {}

    /// Counts `number` more.
    public mutating func count(_ reason: Reason, _ number: UInt64 = 1) { counts[reason] = self[reason].clampedAdding(number) }

    /// Counts one more, with an explanation.
    public mutating func count(_ reason: Reason, because cause: String) {
        count(reason)
        causes[reason] = String(cause.prefix(Self.longestCause))
    }

    /// Adds other counts.
    public mutating func add(_ others: [Reason: UInt64]) { counts.merge(others) { $0.clampedAdding($1) } }

    /// Adds other counts and takes over their newest explanations.
    public mutating func add(_ others: Drops) {
        add(others.counts)
        causes.merge(others.causes) { $1 }
    }

    /// The most characters of an explanation.
    private static let longestCause = 1000

    public subscript(reason: Reason) -> UInt64 { counts[reason] ?? 0 }

    /// The number of drops of all reasons.
    public var total: UInt64 { counts.values.reduce(0) { $0.clampedAdding($1) } }

    /// The counts by the reason's name, as in a status.
    public var byName: [String: UInt64] {
        Dictionary(uniqueKeysWithValues: counts.map { ($0.key.rawValue, $0.value) })
    }
}
