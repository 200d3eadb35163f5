import CConnections
import CZeroMQ

/// Publishes over ZeroMQ's XPUB.
final class SocketPublisher: Publisher {
    let endpoints: [Endpoint]
    private var socket: Socket?
    /// The socket's pointer, kept to save a lookup for each message.
    private var pointer: UnsafeMutableRawPointer?
    private let options: PublisherOptions
    private let mayLose: Bool, keepsSome: Bool
    private var subscribers: SubscriberTable
    private var kept: [String: (header: [UInt8], payload: [Payload])] = [:]
    /// Topics that somebody has subscribed to and of which the last message is still to be sent again.
    private var toResend: Set<String> = []
    private var nextResending = ContinuousClock.now
    private let loans = Payload.Loans()
    private var isNarrow = false
    private var peers = KnownPeers()

    /// Last messages are not resent more often than this, however often somebody subscribes.
    private static let resendInterval = Duration.milliseconds(50)

    /// The most messages that wait for one peer while too many bytes wait in total.
    private static let narrowQueue = 8

    /// Bytes of payloads that wait for slow peers.
    var waitingBytes: Int { loans.bytes }

    init(
        _ attachment: Subscription.Attachment, _ endpoints: [Endpoint], options: PublisherOptions, in context: Context
    ) throws(MessagingError) {
        let socket = try Socket(.publish, limits: options.limits, in: context)
        try socket.set(ZMQ_XPUB_VERBOSER, Int32(1), "subscription events")
        try socket.set(ZMQ_XPUB_NODROP, Int32(options.overflow == .backpressure ? 1 : 0), "overflow")
        var bound: [Endpoint] = []
        switch attachment {
        case .bind, .answer: bound = try socket.bind(to: endpoints, for: options.access)
        case .connect, .ask: for endpoint in endpoints { try socket.connect(to: endpoint) }
        }
        self.endpoints = bound
        self.socket = socket
        pointer = socket.pointer
        self.options = options
        mayLose = options.overflow == .dropOldest
        keepsSome = !options.keepsLast.isEmpty
        subscribers = SubscriberTable(prefixBytes: options.limits.nameBytes, subscriptionBytes: options.limits.subscriptionBytes)
    }

    func publish(_ topic: String, header: [UInt8], payload: [Payload]) throws(MessagingError) -> Bool {
        try check(topic, header, payload)
        if mayLose, payload.contains(where: { $0.count > 0 }) { try boundQueues() }
        guard try send(topic, header, payload) else { return false }
        if keepsSome, options.keepsLast.contains(where: topic.hasPrefix), kept[topic] != nil || kept.count < options.keptTopics {
            kept[topic] = (header, payload)
            toResend.remove(topic)
        }
        return true
    }

    /// Throws for a message that no subscriber would accept.
    private func check(_ topic: String, _ header: [UInt8], _ payload: [Payload]) throws(MessagingError) {
        for part in payload where part.count > options.limits.frameBytes {
            throw MessagingError("publish on \(topic)", "a frame of \(part.count) bytes exceeds frameBytes = \(options.limits.frameBytes)")
        }
        guard header.count <= options.limits.bound(ofPart: 1) else {
            throw MessagingError(
                "publish on \(topic)", "a header of \(header.count) bytes exceeds headerBytes = \(options.limits.bound(ofPart: 1))")
        }
        guard 2 + payload.count <= options.limits.parts else {
            throw MessagingError(
                "publish on \(topic)", "\(2 + payload.count) parts exceed parts = \(options.limits.parts)")
        }
    }

    func service() throws(MessagingError) {
        guard let socket else { return }
        var message = zmq_msg_t()
        zmq_msg_init(&message)
        defer { zmq_msg_close(&message) }
        while zmq_msg_recv(&message, socket.pointer, ZMQ_DONTWAIT) >= 0 {
            let descriptor = zmq_msg_get(&message, ZMQ_SRCFD)
            let connection = descriptor >= 0 ? connection_identity(descriptor) : 0
            let bytes = UnsafeRawBufferPointer(start: zmq_msg_data(&message), count: zmq_msg_size(&message))
            if let gate = socket.gate, let key = message.user, !peers.admit(key, over: descriptor, connection, by: gate) {
                gate.admission.count(.notAdmitted)
                continue
            }
            switch subscribers.note(bytes, from: connection) {
            case .joined(let prefix): toResend.formUnion(kept.keys.filter { $0.utf8.starts(with: prefix) })
            case .refused: cut_connection(descriptor, connection)
            case .left, nil: break
            }
        }
        if let gate = socket.gate { gate.admission.count(.notAdmitted, UInt64(peers.dropRevoked(by: gate))) }
        try boundQueues()
        try resendLast()
    }

    /// Sends the last messages of topics that somebody has subscribed to; what finds no room is sent later.
    private func resendLast() throws(MessagingError) {
        guard !toResend.isEmpty, ContinuousClock.now >= nextResending else { return }
        for topic in toResend.sorted() {
            guard let last = kept[topic] else { continue }
            guard try send(topic, last.header, last.payload) else { return }
            toResend.remove(topic)
        }
        nextResending = .now + Self.resendInterval
    }

    /// ZeroMQ bounds messages, not bytes. Where too many bytes wait, peers that do not read get shorter queues until they have read: they
    /// lose the newest messages, and no other peer does. Where nothing may be lost, the number of messages is the bound.
    private func boundQueues() throws(MessagingError) {
        guard let socket, mayLose else { return }
        let limit = options.limits.sendBytes
        if !isNarrow, loans.bytes > limit {
            isNarrow = true
            try socket.set(ZMQ_SNDHWM, Int32(clamping: min(Self.narrowQueue, options.limits.sendQueue)), "sendQueue")
        } else if isNarrow, loans.bytes <= limit / 2 {
            isNarrow = false
            try socket.set(ZMQ_SNDHWM, Int32(clamping: options.limits.sendQueue), "sendQueue")
        }
    }

    func subscriberCount(of topic: String) -> Int { subscribers.count(of: topic) }

    func close() {
        pointer = nil
        socket = nil
    }

    /// False when a subscriber's queue is full and nothing may be lost.
    private func send(_ topic: String, _ header: [UInt8], _ payload: [Payload]) throws(MessagingError) -> Bool {
        guard let pointer else { throw MessagingError("publish on \(topic)", "the publisher is closed") }
        let more = ZMQ_DONTWAIT | ZMQ_SNDMORE
        // The first part decides whether there is room; the others follow it. When there is none, ZeroMQ checks for room only about
        // once a millisecond, unless its events are read.
        if topic.withBytes({ zmq_send(pointer, $0.baseAddress, $0.count, more) }) < 0 {
            guard zmq_errno() == EAGAIN else { throw .zeroMQ("publish on \(topic)") }
            socket?.service()
            if topic.withBytes({ zmq_send(pointer, $0.baseAddress, $0.count, more) }) < 0 {
                guard zmq_errno() == EAGAIN else { throw .zeroMQ("publish on \(topic)") }
                return false
            }
        }
        guard zmq_send(pointer, header, header.count, payload.isEmpty ? ZMQ_DONTWAIT : more) >= 0 else {
            throw .zeroMQ("publish on \(topic)")
        }
        for index in payload.indices {
            guard payload[index].send(to: pointer, index + 1 < payload.count ? more : ZMQ_DONTWAIT, from: loans) else {
                throw .zeroMQ("publish on \(topic)")
            }
        }
        return true
    }
}
