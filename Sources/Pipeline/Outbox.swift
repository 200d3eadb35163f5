import Messaging
import Schema

/// The outgoing messages of a stage or a publisher, stamped in order and kept until the socket accepts them.
public struct Outbox {
    private struct Item {
        let topic: String
        let header: [UInt8]
        let payload: [Payload]
    }

    private let source: String
    private let epoch: UInt64
    private let clock: any TimeSource
    private var waiting: [Item] = []
    private var first = 0
    private var sequences = SequenceCounter()

    /// Messages sent, by their topic's first component.
    public private(set) var sent: [String: UInt64] = [:]

    /// - Parameters:
    ///   - source: the name in the stamps of messages that have none of their own.
    ///   - epoch: greater after each restart; part of every stamp.
    ///   - clock: gives the time of stamps that have none.
    public init(source: String, epoch: UInt64, clock: any TimeSource) {
        self.source = source
        self.epoch = epoch
        self.clock = clock
    }

    /// Whether all messages have been sent.
    public var isEmpty: Bool { first == waiting.count }

    /// Stamps and serializes a message, and queues it.
    /// - Throws: the error of encoding it.
    public mutating func append(_ outgoing: Outgoing) throws {
        waiting.append(Item(topic: outgoing.topic, header: try header(of: outgoing), payload: outgoing.payload))
    }

    /// Stamps and serializes a message that is not queued.
    /// - Throws: the error of encoding it.
    mutating func header(of outgoing: Outgoing) throws -> [UInt8] {
        var message = outgoing.message
        message.stamp.schemaVersion = schemaVersion
        if message.stamp.source.isEmpty { message.stamp.source = source }
        message.stamp.epoch = epoch
        message.stamp.sequence = sequences.next(on: outgoing.topic, from: message.stamp.source)
        if message.stamp.clock.isEmpty {
            message.stamp.clock = clock.identity
            message.stamp.time = clock.now.nanoseconds
        }
        return try message.serializedBytes()
    }

    /// Sends as much as the publisher accepts now.
    /// - Throws: `MessagingError` for a message that can never be sent, which is discarded.
    public mutating func flush(to publisher: any Publisher) throws(MessagingError) {
        while !isEmpty {
            let item = waiting[first]
            do throws(MessagingError) {
                guard try publisher.publish(item.topic, header: item.header, payload: item.payload) else { return }
            } catch {
                removeFirst()
                throw error
            }
            removeFirst()
            sent[item.topic.firstComponent, default: 0] += 1
        }
    }

    private mutating func removeFirst() {
        first += 1
        if isEmpty || first >= 256 {
            waiting.removeFirst(first)
            first = 0
        }
    }
}

extension String {
    /// `sensor` of `sensor.image.camera/`.
    var firstComponent: String {
        String(prefix { $0 != "." && $0 != "/" })
    }
}
