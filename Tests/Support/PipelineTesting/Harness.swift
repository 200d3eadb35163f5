import Messaging
import Pipeline
import Schema

/// Runs a processor on inputs without a bus, and records its outputs and refusals in order.
public struct Harness<P: Processor> {
    public private(set) var processor: P
    public private(set) var now: Instant
    public private(set) var outputs: [P.Output] = []
    public private(set) var refusals: [Refusal] = []

    public init(_ processor: P, at start: Instant = Instant(nanoseconds: 0)) {
        self.processor = processor
        now = start
    }

    /// Processes an input, and does all work that waits until there is none; returns the outputs.
    @discardableResult
    public mutating func send(_ input: P.Input) -> [P.Output] { sendAlone(input) + work() }

    /// Processes an input while others wait; returns its outputs.
    @discardableResult
    public mutating func sendAlone(_ input: P.Input) -> [P.Output] {
        do throws(Refusal) {
            return note(try processor.process(input, at: now))
        } catch {
            refusals.append(error)
            return []
        }
    }

    /// Does all work that waits; returns its outputs.
    @discardableResult
    public mutating func work() -> [P.Output] {
        var done: [P.Output] = []
        while processor.hasWork { done += note(processor.work(at: now)) }
        return done
    }

    /// Tells the processor that a message of a sender that is answered was refused; returns its outputs.
    @discardableResult
    public mutating func refuse(_ message: WireMessage, because refusal: Refusal) -> [P.Output] {
        note(processor.refuse(message, because: refusal, at: now))
    }

    /// Advances the time, then calls `tick`.
    @discardableResult
    public mutating func advance(by duration: Duration) -> [P.Output] {
        now = now + duration
        return note(processor.tick(at: now)) + work()
    }

    /// Advances the time, and nothing else.
    public mutating func advanceAlone(by duration: Duration) { now = now + duration }

    /// Does one part of the work that waits.
    public mutating func workOnce() { if processor.hasWork { note(processor.work(at: now)) } }

    @discardableResult
    public mutating func finish() -> [P.Output] { note(processor.finish(at: now)) }

    @discardableResult
    private mutating func note(_ outputs: [P.Output]) -> [P.Output] {
        self.outputs += outputs
        return outputs
    }
}

extension WireMessage {
    /// A message made in memory.
    public init(topic: String, header: [UInt8], payload: [Payload] = [], from peer: Peer? = nil) {
        let batch = MessageBatch()
        batch.append(topic: topic, header: header, payload: payload, from: peer)
        self = batch[0]
    }

    /// A stamped message made in memory.
    public init<Message: Stamped>(_ message: Message, on topic: Topic<Message>, payload: [Payload] = [], from peer: Peer? = nil) throws {
        self.init(topic: topic.name, header: try message.serializedBytes(), payload: payload, from: peer)
    }
}

extension Stamp {
    /// A stamp of this version.
    public init(from source: String, sequence: UInt64, epoch: UInt64 = 1, at time: Instant = Instant(nanoseconds: 0)) {
        self.init()
        schemaVersion = Schema.schemaVersion
        self.source = source
        self.epoch = epoch
        self.sequence = sequence
        self.time = time.nanoseconds
    }
}
