import CZeroMQ
import Glibc

/// A ZeroMQ socket. Not Sendable: it has one owner, who may move from thread to thread but is never on two at once.
final class Socket {
    enum Kind {
        case publish  // XPUB: a PUB that hears who subscribes
        case subscribe  // SUB

        var code: Int32 {
            switch self {
            case .publish: ZMQ_XPUB
            case .subscribe: ZMQ_SUB
            }
        }
    }

    let pointer: UnsafeMutableRawPointer
    private let context: Context

    init(_ kind: Kind, limits: Limits, in context: Context) throws(MessagingError) {
        guard let pointer = zmq_socket(context.pointer, kind.code) else { throw .zeroMQ("open a socket") }
        self.pointer = pointer
        self.context = context
        try set(ZMQ_LINGER, Int32(clamping: limits.lingerMilliseconds), "linger")
        try set(ZMQ_SNDHWM, Int32(clamping: limits.sendQueue), "sendQueue")
        try set(ZMQ_RCVHWM, Int32(clamping: limits.receiveQueue), "receiveQueue")
        try set(ZMQ_MAXMSGSIZE, Int64(clamping: limits.frameBytes * limits.cutFactor), "frameBytes")
        // Finds a peer whose host has gone, which TCP by itself would not.
        try set(ZMQ_HEARTBEAT_IVL, Int32(2_000), "heartbeat")
        try set(ZMQ_HEARTBEAT_TIMEOUT, Int32(10_000), "heartbeat")
        try set(ZMQ_RECONNECT_IVL, Int32(50), "reconnection")
        try set(ZMQ_RECONNECT_IVL_MAX, Int32(1_000), "reconnection")
    }

    deinit { zmq_close(pointer) }

    func set<Value: FixedWidthInteger>(_ option: Int32, _ value: Value, _ name: String) throws(MessagingError) {
        let status = withUnsafeBytes(of: value) { zmq_setsockopt(pointer, option, $0.baseAddress, $0.count) }
        guard status == 0 else { throw .zeroMQ("set \(name) to \(value)") }
    }

    func subscribe(to prefix: String) throws(MessagingError) {
        guard zmq_setsockopt(pointer, ZMQ_SUBSCRIBE, prefix, prefix.utf8.count) == 0 else {
            throw .zeroMQ("subscribe to “\(prefix)”")
        }
    }

    func connect(to endpoint: Endpoint) throws(MessagingError) {
        let place = endpoint.placeToConnect
        try set(ZMQ_IPV6, Int32(place.isIPv6 ? 1 : 0), "IPv6")
        guard zmq_connect(pointer, place.text) == 0 else { throw .zeroMQ("connect to \(endpoint)") }
    }

    /// Binds and tells where: the port that was chosen for `*`.
    func bind(to endpoint: Endpoint) throws(MessagingError) -> Endpoint {
        try context.hold(endpoint)
        let place = endpoint.placeToBind
        try set(ZMQ_IPV6, Int32(place.isIPv6 ? 1 : 0), "IPv6")
        guard zmq_bind(pointer, place.text) == 0 else {
            if zmq_errno() == ENODEV { throw MessagingError("bind \(endpoint)", "this machine has no address or interface of that name") }
            throw .zeroMQ("bind \(endpoint)")
        }
        var name = [CChar](repeating: 0, count: 512)
        var size = name.count
        guard zmq_getsockopt(pointer, ZMQ_LAST_ENDPOINT, &name, &size) == 0 else { throw .zeroMQ("bind \(endpoint)") }
        return try Endpoint(String(decoding: name.prefix(max(size - 1, 0)).map(UInt8.init(bitPattern:)), as: UTF8.self))
    }

    /// Lets the socket deal with what its I/O thread has told it: new peers get a bound subscriber's subscriptions.
    func service() {
        var events: Int32 = 0
        var size = MemoryLayout<Int32>.size
        zmq_getsockopt(pointer, ZMQ_EVENTS, &events, &size)
    }
}
