/// Sends messages to all subscribers. Not Sendable: it has one owner at a time.
public protocol Publisher: AnyObject {
    /// Where it is bound, with the port that was found; empty when it connects.
    var endpoints: [Endpoint] { get }

    /// Sends `[topic][header][payload…]` without waiting.
    /// - Parameter header: a serialized protobuf message.
    /// - Returns: false when it has to be tried again later, because a subscriber is slow and nothing may be lost.
    /// - Throws: `MessagingError` where the message exceeds a limit or cannot be sent.
    func publish(_ topic: String, header: [UInt8], payload: [Payload]) throws(MessagingError) -> Bool

    /// Processes new and ended subscriptions, and sends new subscribers the last message of the topics that are kept. To be called at
    /// least a few times a second.
    func service() throws(MessagingError)

    /// How many subscriptions cover this topic, as of the last `service()`.
    func subscriberCount(of topic: String) -> Int

    /// Closes the publisher; what was sent is still delivered for at most the linger time.
    func close()
}

extension Publisher {
    /// Waits until `count` subscriptions cover the topic: what is sent from then on reaches them. False when that does not happen within
    /// the limit.
    public func waitForSubscribers(
        to topic: String, count: Int = 1, within limit: Duration, isolation: isolated (any Actor)? = #isolation
    ) async throws -> Bool {
        let clock = ContinuousClock()
        let deadline = clock.now + limit
        while true {
            try service()
            if subscriberCount(of: topic) >= count { return true }
            guard clock.now < deadline else { return false }
            try await Task.sleep(for: .milliseconds(2))
        }
    }
}

/// The options of a publisher.
public struct PublisherOptions: Sendable {
    /// The bounds of messages and queues.
    public var limits = Limits()

    /// Whether a slow subscriber makes the publisher wait, or loses messages.
    public var overflow = Overflow.dropOldest

    /// Prefixes of topics whose last message is kept and sent again when somebody subscribes to it. All subscribers receive it again;
    /// those that have it recognise it by its sequence number.
    public var keepsLast: [String] = []

    /// What those who connect to bound endpoints want there.
    public var access = Access.subscribe

    /// The greatest number of topics whose last message is kept.
    public var keptTopics = 64

    public init() {}
}
