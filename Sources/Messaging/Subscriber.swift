/// The endpoints that a subscriber binds or connects to, and the topics it receives.
public struct Subscription: Sendable {
    /// Whether the subscriber connects to its endpoints or binds them.
    public enum Attachment: String, Sendable {
        case connect, bind
        /// Connects to an endpoint that answers each sender; there are no topics to subscribe to, answers are received.
        case ask
        /// Binds endpoints at which each sender (DEALER) can be answered; there are no topics to subscribe to, everything is received.
        case answer
    }

    /// Where to connect, or what to bind.
    public var endpoints: [Endpoint]
    /// Prefixes of topics; `Topics.moment.prefix` is every session's moments.
    public var topics: [String]
    /// How the endpoints are used.
    public var attachment: Attachment
    /// What those who connect to bound endpoints want there.
    public var access: Access

    public init(_ endpoints: [Endpoint], topics: [String], attachment: Attachment = .connect, access: Access = .publish) {
        self.endpoints = endpoints
        self.topics = topics
        self.attachment = attachment
        self.access = access
    }
}

/// A sequence of received messages, in batches: in order from each publisher, with publishers merged fairly.
///
/// It has one consumer. It ends when it is cancelled, or when the task that waits for it is.
public struct Subscriber: AsyncSequence, Sendable {
    private let channel: MessageChannel
    /// Nil where messages come from memory.
    private let receiver: Receiver?
    /// Who may connect; nil where nothing is bound with keys.
    private let admission: Admission?
    /// Where it is bound; empty when it connects.
    public let endpoints: [Endpoint]

    /// A subscriber to messages that are delivered to a channel within this process.
    public init(_ channel: MessageChannel, endpoints: [Endpoint] = []) {
        self.init(channel, receiver: nil, admission: nil, endpoints: endpoints)
    }

    init(_ channel: MessageChannel, receiver: Receiver?, admission: Admission?, endpoints: [Endpoint]) {
        self.channel = channel
        self.receiver = receiver
        self.admission = admission
        self.endpoints = endpoints
    }

    /// The number of messages refused or dropped before they reached the consumer, by reason, since the subscriber was opened; and the
    /// connections that this process's endpoints have refused, or that were refused to it.
    public var refusals: [Reason: UInt64] { channel.refusals.merging(admission?.refusals ?? [:], uniquingKeysWith: +) }

    /// The next batch if one has arrived already, without suspending.
    public func takeIfReady() -> MessageBatch? { receiver?.take() ?? channel.takeIfReady() }

    /// Sends a message to a peer that has sent one. It is lost where the peer is gone or does not read.
    public func answer(_ peer: Peer, topic: String, header: [UInt8], payload: [Payload] = []) {
        let frames = payload.map { $0.withUnsafeBytes { Array($0) } }
        receiver?.answer(peer, [Array(topic.utf8), header] + frames)
    }

    /// Sends a message to the endpoint that is asked. It is lost where nobody is there or too many wait to be sent.
    public func ask(topic: String, header: [UInt8]) { receiver?.ask([Array(topic.utf8), header]) }

    /// Ends the sequence and closes its sockets.
    public func cancel() { channel.end() }

    public func makeAsyncIterator() -> Iterator { Iterator(channel: channel, receiver: receiver) }

    public struct Iterator: AsyncIteratorProtocol {
        let channel: MessageChannel
        let receiver: Receiver?
        /// Whether the wait for the last batch was shorter than `patience`: then the next one is expected as soon.
        private var isBrisk = false
        private var turns = 0

        init(channel: MessageChannel, receiver: Receiver?) { (self.channel, self.receiver) = (channel, receiver) }

        /// How long an actor keeps its thread and waits for messages that arrive in quick succession, microseconds: suspending and
        /// resuming costs more.
        private static let patience = 200

        /// After this many batches an actor lets its other jobs run, even if it never had to wait.
        private static let turnsBetweenYields = 64

        public mutating func next() async -> MessageBatch? { await next(isolation: nil) }

        public mutating func next(isolation actor: isolated (any Actor)?) async throws(Never) -> MessageBatch? {
            guard let receiver, !Task.isCancelled else { return await channel.next(isolation: actor) }
            turns += 1
            if turns % Self.turnsBetweenYields == 0 { await Task.yield() }
            let start = ContinuousClock.now
            if let batch = receiver.take(waiting: isBrisk && actor != nil ? Self.patience : 0) { return batch }
            let batch = await channel.next(isolation: actor)
            isBrisk = .now - start < .microseconds(Self.patience)
            return batch
        }
    }
}
