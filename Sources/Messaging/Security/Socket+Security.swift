import CZeroMQ

/// ZeroMQ fixes these options for an endpoint when it is bound or connected, so that a socket has encrypted endpoints and plain ones.
extension Socket {
    /// Binds the socket at all endpoints.
    /// - Parameter access: what those who connect want; with keys only theirs who may.
    /// - Returns: the bound endpoints, each with the port that was chosen for `*`.
    func bind(to endpoints: [Endpoint], for access: Access) throws(MessagingError) -> [Endpoint] {
        var bound: [Int: Endpoint] = [:]
        for isTCP in [false, true] {
            for (place, endpoint) in endpoints.enumerated() where endpoint.isTCP == isTCP {
                bound[place] = try bind(to: endpoint, for: access)
            }
        }
        return endpoints.indices.compactMap { bound[$0] }
    }

    /// Not in libzmq's header, which lists it among drafts, but in every libzmq since 4.3: connections are refused while no authenticator
    /// answers.  https://libzmq.readthedocs.io/en/latest/zmq_setsockopt.html
    private static let enforceDomain: Int32 = 93

    /// Sets the options for an endpoint that is bound next.
    func setSecurity(_ security: Security?, bindingOf endpoint: Endpoint, for access: Access) throws(MessagingError) {
        // A domain cannot be taken back, so plain endpoints come first.
        guard let security, endpoint.isTCP else { return }
        guard let server = security.server else {
            throw MessagingError("bind \(endpoint)", "only the graph's own key binds TCP endpoints; leave security.name empty")
        }
        try set(ZMQ_ZAP_DOMAIN, text: access.rawValue, "the domain")
        try set(Self.enforceDomain, Int32(1), "the domain's enforcement")
        try set(ZMQ_CURVE_SERVER, Int32(1), "encryption")
        try set(ZMQ_CURVE_SECRETKEY, text: server.secretKey, "the secret key")
    }

    /// Sets the options for an endpoint that is connected to next.
    func setSecurity(_ security: Security?, connectionTo endpoint: Endpoint) throws(MessagingError) {
        guard let security else { return }
        guard endpoint.isTCP else { return try set(ZMQ_CURVE_SERVER, Int32(0), "no encryption") }
        try set(ZMQ_CURVE_SERVERKEY, text: security.graph, "the graph's key")
        try set(ZMQ_CURVE_PUBLICKEY, text: security.own.publicKey, "the public key")
        try set(ZMQ_CURVE_SECRETKEY, text: security.own.secretKey, "the secret key")
    }

    private func set(_ option: Int32, text: String, _ name: String) throws(MessagingError) {
        guard zmq_setsockopt(pointer, option, text, text.utf8.count) == 0 else { throw .zeroMQ("set \(name)") }
    }

    /// The parts of the next message, without waiting; nil where there is none. Parts beyond `most` are dropped.
    func receiveParts(atMost most: Int) -> [[UInt8]]? {
        var parts: [[UInt8]] = []
        while true {
            var message = zmq_msg_t()
            zmq_msg_init(&message)
            defer { zmq_msg_close(&message) }
            guard zmq_msg_recv(&message, pointer, ZMQ_DONTWAIT) >= 0 else { return nil }
            if parts.count < most {
                parts.append(Array(UnsafeRawBufferPointer(start: zmq_msg_data(&message), count: zmq_msg_size(&message))))
            }
            if zmq_msg_more(&message) == 0 { return parts }
        }
    }

    /// Sends a message of these parts.
    /// - Returns: whether it was accepted.
    @discardableResult
    func send(_ parts: [[UInt8]]) -> Bool {
        parts.enumerated().allSatisfy { index, part in
            zmq_send(pointer, part, part.count, ZMQ_DONTWAIT | (index + 1 < parts.count ? ZMQ_SNDMORE : 0)) >= 0
        }
    }
}
