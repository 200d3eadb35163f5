import CConnections
import CZeroMQ

/// Monitors the connections that publishers have made to a socket, and closes those on which a message does not end.
///
/// ZeroMQ delivers whole messages only and bounds each frame, not their number: the parts of a message without an end accumulate inside it.
/// They are detected by the bytes that the system has received on a connection. Connections within a host (ipc) belong to this user and are
/// not monitored.
final class UnfinishedMessages {
    private struct Connection {
        let identity: UInt64
        /// Bytes received when it was last known that no message was unfinished for long.
        var settled: Int64
    }

    /// How often connections are checked, milliseconds.
    static let period = 20

    /// Receives an event for each connection; to be polled with the socket.
    let events: Socket
    private let limit: Int64
    private var connections: [Int32: Connection] = [:]
    /// Connections on which whole messages have arrived since the last check; `taken` counts the messages on all of them.
    private var completed: Set<Int32> = []
    private var newest: Int32 = -1
    private var taken = 0
    private var nextCheck = ContinuousClock.now
    private var peers = KnownPeers()

    init(_ socket: Socket, limits: Limits) throws(MessagingError) {
        events = try socket.monitor(ZMQ_EVENT_ACCEPTED)
        limit = Int64(limits.unfinishedBytes)
    }

    var isEmpty: Bool { connections.isEmpty }

    /// Records new connections.
    func noteArrivals() {
        while let descriptor = events.nextEventValue() {
            let identity = connection_identity(descriptor)
            guard identity != 0, connection_bytes_received(descriptor) >= 0 else { continue }
            connections[descriptor] = Connection(identity: identity, settled: 0)
        }
    }

    /// Records a whole message.
    func noteMessage(on connection: Int32) {
        taken += 1
        guard connection != newest else { return }
        newest = connection
        completed.insert(connection)
    }

    /// Whether the sender of a message may still send: its key was admitted when it connected. A connection whose key was revoked is closed.
    func admit(_ key: String, over descriptor: Int32, by gate: Gate) -> Bool {
        if connections[descriptor] == nil { noteArrivals() }
        guard let connection = connections[descriptor] else { return gate.admits(key) }
        return peers.admit(key, over: descriptor, connection.identity, by: gate)
    }

    /// Closes the connections of keys that have been revoked.
    /// - Returns: their number.
    func dropRevoked(by gate: Gate) -> Int { peers.dropRevoked(by: gate) }

    /// Closes the connections on which too much has arrived since their last whole message; at most once per `period`.
    /// - Parameter isDrained: whether every whole message has been taken. Where messages keep coming, connections still take turns.
    /// - Returns: the number of connections closed.
    func check(isDrained: Bool) -> Int {
        guard !connections.isEmpty, isDrained || taken > 4 * connections.count, ContinuousClock.now >= nextCheck else { return 0 }
        nextCheck = .now + .milliseconds(Self.period)
        var cuts = 0
        for (descriptor, connection) in connections {
            let received = connection_bytes_received(descriptor)
            if received < 0 || connection_identity(descriptor) != connection.identity {
                connections[descriptor] = nil
            } else if completed.contains(descriptor) {
                connections[descriptor]?.settled = received
            } else if received - connection.settled > limit {
                cut_connection(descriptor, connection.identity)
                connections[descriptor] = nil
                cuts += 1
            }
        }
        forgetMessages()
        return cuts
    }

    /// Restarts the count: while no messages are taken, it is unknown whether those that arrived are whole.
    func settle() {
        for (descriptor, connection) in connections {
            connections[descriptor]?.settled = max(connection.settled, connection_bytes_received(descriptor))
        }
        forgetMessages()
    }

    private func forgetMessages() {
        completed = []
        newest = -1
        taken = 0
    }
}
