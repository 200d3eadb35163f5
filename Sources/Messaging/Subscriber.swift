/// Where a subscriber listens, and to what.
public struct Subscription: Sendable {
    public enum Attachment: String, Sendable {
        case connect, bind
    }

    public var endpoints: [Endpoint]
    /// Prefixes of topics; `Topics.moment.prefix` is every session's moments.
    public var topics: [String]
    public var attachment: Attachment

    public init(_ endpoints: [Endpoint], topics: [String], attachment: Attachment = .connect) {
        self.endpoints = endpoints
        self.topics = topics
        self.attachment = attachment
    }
}

/// Messages as they come, in batches: first in, first out from each publisher, publishers merged fairly.
///
/// It has one consumer. It ends when it is cancelled, or when the task that waits for it is.
public struct Subscriber: AsyncSequence, Sendable {
    private let channel: MessageChannel
    /// Where it is bound; empty when it connects.
    public let endpoints: [Endpoint]

    public init(_ channel: MessageChannel, endpoints: [Endpoint] = []) {
        self.channel = channel
        self.endpoints = endpoints
    }

    /// What was refused or dropped before it reached the consumer, by reason, since the beginning.
    public var refusals: [Reason: UInt64] { channel.refusals }

    /// What has come already, if anything has.
    public func takeIfReady() -> MessageBatch? { channel.takeIfReady() }

    /// Ends the sequence and closes its sockets.
    public func cancel() { channel.end() }

    public func makeAsyncIterator() -> Iterator { Iterator(channel: channel) }

    public struct Iterator: AsyncIteratorProtocol {
        let channel: MessageChannel

        public mutating func next() async -> MessageBatch? { await channel.next(isolation: nil) }

        public mutating func next(isolation actor: isolated (any Actor)?) async throws(Never) -> MessageBatch? {
            await channel.next(isolation: actor)
        }
    }
}
