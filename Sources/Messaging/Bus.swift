import CZeroMQ

/// Connects stages: opens publishers and subscribers, over ZeroMQ in production and in memory in tests.
public protocol Bus: Sendable {
    /// Opens one publisher at all these endpoints, bound or connected.
    /// - Throws: `MessagingError` where an endpoint cannot be bound or connected to.
    func publisher(
        _ attachment: Subscription.Attachment, _ endpoints: [Endpoint], options: PublisherOptions
    ) throws(MessagingError) -> any Publisher

    /// Opens one subscriber to all these subscriptions.
    /// - Parameter overflow: what happens when messages arrive faster than they are taken.
    /// - Throws: `MessagingError` where an endpoint cannot be bound or connected to.
    func subscriber(
        to subscriptions: [Subscription], limits: Limits, overflow: Overflow
    ) throws(MessagingError) -> Subscriber

    /// Waits until everything that was opened here and closed since is released, at most for the linger time.
    func end() async
}

/// A bus over ZeroMQ: TCP between hosts, ipc sockets within a host.
public struct ZeroMQBus: Bus {
    private let context: Context

    /// - Parameter security: the keys with which all TCP connections are encrypted; nil: none is.
    /// - Throws: `MessagingError` where ZeroMQ cannot be started, or cannot encrypt and keys are given.
    public init(security: Security? = nil) throws(MessagingError) {
        context = try Context(security: security)
    }

    /// Answers who may connect to what is bound here.
    var authenticator: Authenticator? { context.authenticator }

    public func publisher(
        _ attachment: Subscription.Attachment, _ endpoints: [Endpoint], options: PublisherOptions = PublisherOptions()
    ) throws(MessagingError) -> any Publisher {
        try SocketPublisher(attachment, endpoints, options: options, in: context)
    }

    public func subscriber(
        to subscriptions: [Subscription], limits: Limits = Limits(), overflow: Overflow = .dropOldest
    ) throws(MessagingError) -> Subscriber {
        let wakeup = try Wakeup()
        let channel = MessageChannel(limits: limits, overflow: overflow) { wakeup.signal() }
        var sources: [Receiver.Source] = []
        var bound: [Endpoint] = []
        for subscription in subscriptions {
            let routes = subscription.attachment == .answer
            let asks = subscription.attachment == .ask, connects = asks || subscription.attachment == .connect
            let socket = try Socket(routes ? .route : asks ? .deal : .subscribe, limits: limits, in: context)
            // Created before the socket is bound, so that no connection is missed.
            let unfinished = connects ? nil : try UnfinishedMessages(socket, limits: limits)
            // So is this: whoever connects with a key notices that it is refused.
            let refused = connects && context.security != nil ? try socket.monitor(Self.refusal) : nil
            if !routes, !asks { for topic in subscription.topics { try socket.subscribe(to: topic) } }
            switch subscription.attachment {
            case .connect, .ask: for endpoint in subscription.endpoints { try socket.connect(to: endpoint) }
            case .bind, .answer: bound += try socket.bind(to: subscription.endpoints, for: subscription.access)
            }
            sources.append(Receiver.Source(socket: socket, unfinished: unfinished, refused: refused))
        }
        let receiver = try Receiver(sources, into: channel, wakeup: wakeup, limits: limits)
        return Subscriber(channel, receiver: receiver, admission: context.authenticator?.admission, endpoints: bound)
    }

    /// The events of a connection that was made and is not let in.
    private static let refusal =
        ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL | ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL | ZMQ_EVENT_HANDSHAKE_FAILED_AUTH

    public func end() async { await context.end() }
}
