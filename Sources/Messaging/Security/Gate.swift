import CConnections
import CZeroMQ

/// Who may send to, or receive from, a socket that is bound with keys.
struct Gate: Sendable {
    let access: Access
    let admission: Admission

    /// Whether the owner of a key may be here, by the newest list.
    func admits(_ key: String) -> Bool { admission.sender(key, at: access) != nil }

    /// The sender of a message.
    /// - Throws: `notAdmitted` where its key has been revoked, `rateExceeded`.
    func sender(_ key: String, bytes: Int, over connection: Int32?, watchedBy watch: UnfinishedMessages?) throws(Refusal) -> Sender {
        let isAdmitted = connection.flatMap { watch?.admit(key, over: $0, by: self) } ?? admits(key)
        guard isAdmitted, let sender = admission.sender(key, at: access) else { throw Refusal(.notAdmitted) }
        guard admission.spend(key, bytes: bytes) else { throw Refusal(.rateExceeded) }
        return sender
    }
}

/// The connections over which something has come, and the keys of their owners, so that those of a revoked key can be closed.
struct KnownPeers {
    private struct Peer {
        let identity: UInt64
        let key: String
    }

    private var peers: [Int32: Peer] = [:]
    private var generation = 0

    /// The most connections. Beyond it newcomers are refused, once those that have ended are forgotten.
    static let most = 4_096

    /// Notes the owner of a connection.
    /// - Returns: false where its key may not be here; the connection is closed.
    mutating func admit(_ key: String, over descriptor: Int32, _ identity: UInt64, by gate: Gate) -> Bool {
        guard descriptor >= 0, peers[descriptor]?.identity != identity || peers[descriptor]?.key != key else { return gate.admits(key) }
        if peers.count >= Self.most { peers = peers.filter { connection_identity($0.key) == $0.value.identity } }
        guard gate.admits(key), peers.count < Self.most || peers[descriptor] != nil else {
            cut_connection(descriptor, identity)
            return false
        }
        peers[descriptor] = Peer(identity: identity, key: key)
        return true
    }

    /// Closes the connections of keys that are not on the list any more; does nothing while the list is the same.
    /// - Returns: their number.
    @discardableResult
    mutating func dropRevoked(by gate: Gate) -> Int {
        let newest = gate.admission.generation
        guard newest != generation else { return 0 }
        generation = newest
        let revoked = peers.filter { !gate.admits($0.value.key) }
        for (descriptor, peer) in revoked {
            cut_connection(descriptor, peer.identity)
            peers[descriptor] = nil
        }
        return revoked.count
    }
}

extension zmq_msg_t {
    /// The key of the peer from which the message came, as the authenticator named it; nil where it came without one.  zmq_msg_gets(3)
    var user: String? {
        mutating get { zmq_msg_gets(&self, "User-Id").map { String(cString: $0) } }
    }
}
