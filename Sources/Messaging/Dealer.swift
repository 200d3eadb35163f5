import CZeroMQ
import Schema
import Statistics

/// A socket that sends messages to a bound endpoint that answers each sender, and receives the answers. It has one owner.
public final class Dealer {
    private let socket: Socket

    /// - Throws: `MessagingError` where the endpoint cannot be connected to.
    public init(to endpoint: Endpoint, limits: Limits = Limits()) throws(MessagingError) {
        var limits = limits
        limits.lingerMilliseconds = 0
        socket = try Socket(.deal, limits: limits, in: try Context())
        try socket.connect(to: endpoint)
    }

    /// Sends a message; false where too many wait to be sent.
    public func send(_ topic: String, header: [UInt8], payload: [UInt8]? = nil) -> Bool {
        let parts = [Array(topic.utf8), header] + (payload.map { [$0] } ?? [])
        for (index, part) in parts.enumerated() {
            let flags = ZMQ_DONTWAIT | (index < parts.count - 1 ? ZMQ_SNDMORE : 0)
            guard part.withUnsafeBytes({ zmq_send(socket.pointer, $0.baseAddress, $0.count, flags) }) >= 0 else { return false }
        }
        return true
    }

    /// The header of the next answer; nil where none comes within this time.
    public func receive<Message: Stamped>(_ type: Message.Type, within limit: Duration) throws(MessagingError) -> Message? {
        try socket.set(ZMQ_RCVTIMEO, Int32(clamping: limit.nanoseconds / 1_000_000), "timeout")
        var parts: [[UInt8]] = [], hasMore = false
        repeat {
            var message = zmq_msg_t()
            zmq_msg_init(&message)
            defer { zmq_msg_close(&message) }
            guard zmq_msg_recv(&message, socket.pointer, 0) >= 0 else { return nil }
            parts.append(Array(UnsafeRawBufferPointer(start: zmq_msg_data(&message), count: zmq_msg_size(&message))))
            hasMore = zmq_msg_more(&message) != 0
        } while hasMore
        return parts.count > 1 ? try? Message(serializedBytes: parts[1]) : nil  // what is no answer is passed over
    }
}
