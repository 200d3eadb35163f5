import CConnections
import CZeroMQ

/// Watches what comes on the connections that publishers have made to a socket, and cuts those on which a message does not end.
///
/// ZeroMQ hands over whole messages only and bounds each frame, not their number: parts of a message without an end gather where nobody sees them. What
/// the system has received on a connection tells. Connections within a host (ipc) belong to this user and are not watched.
final class UnfinishedMessages {
    private struct Connection {
        let identity: UInt64
        /// Bytes that had come when it was known last that no message had begun long ago.
        var settled: Int64
    }

    /// How often connections are looked at, milliseconds.
    static let period = 20

    /// Tells of connections; to be polled with the socket.
    let events: Socket
    private let limit: Int64
    private var connections: [Int32: Connection] = [:]
    /// Connections on which whole messages have come since they were looked at last, and how many messages on all.
    private var heard: Set<Int32> = []
    private var newest: Int32 = -1
    private var taken = 0
    private var nextCheck = ContinuousClock.now

    init(_ socket: Socket, limits: Limits) throws(MessagingError) {
        events = try socket.monitor(ZMQ_EVENT_ACCEPTED)
        limit = Int64(limits.unfinishedBytes)
    }

    var isEmpty: Bool { connections.isEmpty }

    /// Takes note of who has connected.
    func noteArrivals() {
        while let descriptor = events.nextEventValue() {
            let identity = connection_identity(descriptor)
            guard identity != 0, connection_bytes_received(descriptor) >= 0 else { continue }
            connections[descriptor] = Connection(identity: identity, settled: 0)
        }
    }

    /// Takes note of a whole message.
    func noteMessage(on connection: Int32) {
        taken += 1
        guard connection != newest else { return }
        newest = connection
        heard.insert(connection)
    }

    /// Cuts the connections on which too much has come since their last whole message; now and then only.
    /// - Parameter isDrained: whether every whole message has been taken. Where messages keep coming, connections still take turns.
    /// - Returns: how many were cut.
    func check(isDrained: Bool) -> Int {
        guard !connections.isEmpty, isDrained || taken > 4 * connections.count, ContinuousClock.now >= nextCheck else { return 0 }
        nextCheck = .now + .milliseconds(Self.period)
        var cuts = 0
        for (descriptor, connection) in connections {
            let received = connection_bytes_received(descriptor)
            if received < 0 || connection_identity(descriptor) != connection.identity {
                connections[descriptor] = nil
            } else if heard.contains(descriptor) {
                connections[descriptor]?.settled = received
            } else if received - connection.settled > limit {
                cut_connection(descriptor, connection.identity)
                connections[descriptor] = nil
                cuts += 1
            }
        }
        forgetHeard()
        return cuts
    }

    /// Begins anew: while nothing is taken, nothing is known of what has come.
    func settle() {
        for (descriptor, connection) in connections {
            connections[descriptor]?.settled = max(connection.settled, connection_bytes_received(descriptor))
        }
        forgetHeard()
    }

    private func forgetHeard() {
        heard = []
        newest = -1
        taken = 0
    }
}
