/// Sends messages to whoever has subscribed. Not Sendable: it has one owner at a time.
public protocol Publisher: AnyObject {
    /// Where it is bound, with the port that was found; empty when it connects.
    var endpoints: [Endpoint] { get }

    /// Sends `[topic][header][payload…]` without waiting. False when it has to be tried again later, because a
    /// subscriber is slow and nothing may be lost.
    func publish(_ topic: String, header: [UInt8], payload: [Payload]) throws(MessagingError) -> Bool

    /// Takes note of who has come and gone, and sends newcomers the last message of the topics that are kept. To be
    /// called a few times a second at least.
    func service() throws(MessagingError)

    /// How many subscriptions cover this topic, as of the last `service()`.
    func subscriberCount(of topic: String) -> Int

    /// Closes; what was sent is still delivered for as long as the linger allows.
    func close()
}

extension Publisher {
    /// Waits until `count` subscriptions cover the topic: what is sent from then on reaches them. False when that has
    /// not happened in time.
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

/// How a publisher behaves.
public struct PublisherOptions: Sendable {
    public var limits = Limits()

    /// Whether a slow subscriber makes the publisher wait, or loses messages.
    public var overflow = Overflow.dropOldest

    /// Prefixes of topics whose last message is kept and sent again when somebody subscribes to it. Everybody gets it
    /// again; its sequence number tells who has had it.
    public var keepsLast: [String] = []

    /// Topics whose last message can be kept at most.
    public var keptTopics = 64

    public init() {}
}
