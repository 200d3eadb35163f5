import CZeroMQ

/// Publishes over ZeroMQ's XPUB.
final class SocketPublisher: Publisher {
    let endpoints: [Endpoint]
    private var socket: Socket?
    private let options: PublisherOptions
    private var subscribers = SubscriberTable()
    private var kept: [String: (header: [UInt8], payload: [Payload])] = [:]

    init(
        _ attachment: Subscription.Attachment, _ endpoints: [Endpoint], options: PublisherOptions, in context: Context
    ) throws(MessagingError) {
        let socket = try Socket(.publish, limits: options.limits, in: context)
        try socket.set(ZMQ_XPUB_VERBOSER, Int32(1), "subscription events")
        try socket.set(ZMQ_XPUB_NODROP, Int32(options.overflow == .backpressure ? 1 : 0), "overflow")
        var bound: [Endpoint] = []
        for endpoint in endpoints {
            switch attachment {
            case .bind: bound.append(try socket.bind(to: endpoint))
            case .connect: try socket.connect(to: endpoint)
            }
        }
        self.endpoints = bound
        self.socket = socket
        self.options = options
    }

    func publish(_ topic: String, header: [UInt8], payload: [Payload]) throws(MessagingError) -> Bool {
        let limit = options.limits.frameBytes
        guard header.count <= limit, payload.allSatisfy({ $0.count <= limit }) else {
            let largest = max(header.count, payload.map(\.count).max() ?? 0)
            throw MessagingError("publish on \(topic)", "a frame of \(largest) bytes exceeds frameBytes = \(limit)")
        }
        guard 2 + payload.count <= options.limits.parts else {
            throw MessagingError(
                "publish on \(topic)", "\(2 + payload.count) parts exceed parts = \(options.limits.parts)")
        }
        guard try send(topic, header, payload) else { return false }
        if options.keepsLast.contains(where: topic.hasPrefix), kept[topic] != nil || kept.count < options.keptTopics {
            kept[topic] = (header, payload)
        }
        return true
    }

    func service() throws(MessagingError) {
        guard let socket else { return }
        var message = zmq_msg_t()
        zmq_msg_init(&message)
        defer { zmq_msg_close(&message) }
        while zmq_msg_recv(&message, socket.pointer, ZMQ_DONTWAIT) >= 0 {
            let bytes = UnsafeRawBufferPointer(start: zmq_msg_data(&message), count: zmq_msg_size(&message))
            guard case .joined(let prefix) = subscribers.note(bytes) else { continue }
            for (topic, last) in kept where topic.utf8.starts(with: prefix) {
                _ = try send(topic, last.header, last.payload)
            }
        }
    }

    func subscriberCount(of topic: String) -> Int { subscribers.count(of: topic) }

    func close() { socket = nil }

    /// False when a subscriber's queue is full and nothing may be lost.
    private func send(_ topic: String, _ header: [UInt8], _ payload: [Payload]) throws(MessagingError) -> Bool {
        guard let socket else { throw MessagingError("publish on \(topic)", "the publisher is closed") }
        let more = ZMQ_DONTWAIT | ZMQ_SNDMORE
        // The first part decides whether there is room; the others follow it. When there is none, ZeroMQ looks for
        // news of room about once a millisecond only, unless it is asked to.
        if zmq_send(socket.pointer, topic, topic.utf8.count, more) < 0 {
            guard zmq_errno() == EAGAIN else { throw .zeroMQ("publish on \(topic)") }
            socket.service()
            if zmq_send(socket.pointer, topic, topic.utf8.count, more) < 0 {
                guard zmq_errno() == EAGAIN else { throw .zeroMQ("publish on \(topic)") }
                return false
            }
        }
        guard zmq_send(socket.pointer, header, header.count, payload.isEmpty ? ZMQ_DONTWAIT : more) >= 0 else {
            throw .zeroMQ("publish on \(topic)")
        }
        for (index, part) in payload.enumerated() {
            var message = zmq_msg_t()
            part.fill(&message)
            guard zmq_msg_send(&message, socket.pointer, index + 1 < payload.count ? more : ZMQ_DONTWAIT) >= 0 else {
                zmq_msg_close(&message)
                throw .zeroMQ("publish on \(topic)")
            }
        }
        return true
    }
}
