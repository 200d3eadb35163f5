import CZeroMQ
import Glibc

/// A ZeroMQ socket. Not Sendable: it has one owner, who may move from thread to thread but is never on two at once.
final class Socket {
    enum Kind {
        case publish  // XPUB: a PUB that receives subscriptions
        case subscribe  // SUB
        case pair  // PAIR, within this process
        case reply  // REP, within this process
        case route  // ROUTER: receives from many and answers each
        case deal  // DEALER: sends to one and receives its answers

        var code: Int32 {
            switch self {
            case .publish: ZMQ_XPUB
            case .subscribe: ZMQ_SUB
            case .pair: ZMQ_PAIR
            case .reply: ZMQ_REP
            case .route: ZMQ_ROUTER
            case .deal: ZMQ_DEALER
            }
        }
    }

    let pointer: UnsafeMutableRawPointer
    private let context: Context?
    private let kind: Kind
    private var isClosed = false
    /// Who may come in where the socket is bound over TCP with keys, and the process's authenticator, which lives as long.
    private(set) var gate: Gate?
    private var authenticator: Authenticator?
    /// Whether each message comes with the peer that sent it.
    let routes: Bool
    /// Whether it asks, and receives answers.
    let asks: Bool
    /// The largest frame that a subscriber may send, bytes: one subscription, or the metadata of the handshake.
    private static let subscriptionFrame = 512

    /// - Parameter keepsContext: false for the socket of something that the context's other sockets keep.
    init(_ kind: Kind, limits: Limits, in context: Context, keepsContext: Bool = true) throws(MessagingError) {
        guard let pointer = zmq_socket(context.pointer, kind.code) else { throw .zeroMQ("open a socket") }
        self.pointer = pointer
        self.kind = kind
        self.context = keepsContext ? context : nil
        (routes, asks) = (kind == .route, kind == .deal)
        try set(ZMQ_LINGER, Int32(clamping: limits.lingerMilliseconds), "linger")
        try set(ZMQ_SNDHWM, Int32(clamping: limits.sendQueue), "sendQueue")
        if kind == .publish {
            // Subscriptions enter ZeroMQ's own table as soon as they are received; with a queue of one they can be counted first.
            try set(ZMQ_RCVHWM, Int32(1), "receiveQueue")
            try set(ZMQ_MAXMSGSIZE, Int64(Self.subscriptionFrame), "frameBytes")
        } else {
            try set(ZMQ_RCVHWM, Int32(clamping: limits.receiveQueue), "receiveQueue")
            try set(ZMQ_MAXMSGSIZE, Int64(limits.unfinishedBytes), "frameBytes")
        }
        // TCP keepalive detects peers whose host is gone. ZeroMQ's heartbeats are not used: in libzmq 4.3.4 a heartbeat on a connection
        // that broke while its input was held back fails an assertion and ends the process.
        try set(ZMQ_TCP_KEEPALIVE, Int32(1), "keepalive")
        try set(ZMQ_TCP_KEEPALIVE_IDLE, Int32(10), "keepalive")
        try set(ZMQ_TCP_KEEPALIVE_INTVL, Int32(5), "keepalive")
        try set(ZMQ_TCP_KEEPALIVE_CNT, Int32(3), "keepalive")
        try set(ZMQ_RECONNECT_IVL, Int32(50), "reconnection")
        try set(ZMQ_RECONNECT_IVL_MAX, Int32(1_000), "reconnection")
    }

    deinit { close() }

    /// Closes the socket; nothing else may be called afterwards.
    func close() {
        guard !isClosed else { return }
        isClosed = true
        zmq_close(pointer)
    }

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
        try secure(connectionTo: endpoint)
        try set(ZMQ_IPV6, Int32(place.isIPv6 ? 1 : 0), "IPv6")
        guard zmq_connect(pointer, place.text) == 0 else { throw .zeroMQ("connect to \(endpoint)") }
    }

    /// Binds the socket. With keys, endpoints within the host have to be bound before those over TCP.
    /// - Parameter access: what those who connect want; with keys only theirs who may.
    /// - Returns: the bound endpoint, with the port that was chosen for `*`.
    func bind(to endpoint: Endpoint, for access: Access) throws(MessagingError) -> Endpoint {
        try context?.hold(endpoint)
        let place = endpoint.placeToBind
        try secure(bindingOf: endpoint, for: access)
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

    private func secure(connectionTo endpoint: Endpoint) throws(MessagingError) {
        try setSecurity(context?.security, connectionTo: endpoint)
    }

    private func secure(bindingOf endpoint: Endpoint, for access: Access) throws(MessagingError) {
        try setSecurity(context?.security, bindingOf: endpoint, for: access)
        // Measured with libzmq 4.3.4: over an encrypted connection the first subscription never passes a queue of one.
        let isEncrypted = context?.security != nil && endpoint.isTCP
        if kind == .publish { try set(ZMQ_RCVHWM, Int32(isEncrypted ? 2 : 1), "receiveQueue") }
        guard let context, let security = context.security, endpoint.isTCP else { return }
        let authenticator = try context.startAuthenticator(security)
        (self.authenticator, gate) = (authenticator, Gate(access: access, admission: authenticator.admission))
    }

    /// A socket that receives these events of this one.  zmq_socket_monitor(3)
    func monitor(_ events: Int32) throws(MessagingError) -> Socket {
        guard let context else { throw MessagingError("watch the connections of a socket", "it keeps no context") }
        let address = "inproc://events-\(UInt(bitPattern: pointer))"
        let listener = try Socket(.pair, limits: Limits(), in: context)
        guard zmq_socket_monitor(pointer, address, events) == 0, zmq_connect(listener.pointer, address) == 0 else {
            throw .zeroMQ("watch the connections of a socket")
        }
        return listener
    }

    /// The value of the next event of the socket that is monitored: for an accepted connection its descriptor. Nil while there is none.
    func nextEventValue() -> Int32? {
        var message = zmq_msg_t()
        zmq_msg_init(&message)
        defer { zmq_msg_close(&message) }
        guard zmq_msg_recv(&message, pointer, ZMQ_DONTWAIT) >= 0 else { return nil }
        let bytes = UnsafeRawBufferPointer(start: zmq_msg_data(&message), count: zmq_msg_size(&message))
        // 16 bits say which event it is, 32 hold its value; a second part names the endpoint.
        let value = bytes.count >= 6 ? bytes.loadUnaligned(fromByteOffset: 2, as: Int32.self) : -1
        while zmq_msg_more(&message) != 0, zmq_msg_recv(&message, pointer, ZMQ_DONTWAIT) >= 0 {}
        return value
    }

    /// A descriptor that becomes readable when the I/O thread has an event for the socket: messages, room, peers. It is edge triggered:
    /// whoever has waited for it takes everything that is there.  ZMQ_FD, zmq_getsockopt(3)
    func newsDescriptor() throws(MessagingError) -> Int32 {
        var descriptor: Int32 = -1
        var size = MemoryLayout<Int32>.size
        guard zmq_getsockopt(pointer, ZMQ_FD, &descriptor, &size) == 0 else { throw .zeroMQ("watch a socket") }
        return descriptor
    }

    /// Sends a message to a peer of a socket that routes. A peer that is gone, or that does not read, loses it.
    func send(_ parts: [[UInt8]], to peer: Peer) { send([peer.identity] + parts) }

    /// Lets the socket process pending events of its I/O thread: new peers get a bound subscriber's subscriptions.
    func service() {
        var events: Int32 = 0
        var size = MemoryLayout<Int32>.size
        zmq_getsockopt(pointer, ZMQ_EVENTS, &events, &size)
    }
}
