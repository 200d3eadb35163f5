import Pipeline
import Statistics
import Synchronization
import Wiring

/// The rate of each client's requests and of its wrong codes, by its address.
final class ClientRates: Sendable {
    /// A bucket that fills steadily; each event takes one.
    private struct Bucket {
        var level: Double
        var time: Instant

        /// Takes one if there is one.
        mutating func take(rate: Double, size: Double, at now: Instant) -> Bool {
            fill(rate: rate, size: size, at: now)
            guard level >= 1 else { return false }
            level -= 1
            return true
        }

        mutating func fill(rate: Double, size: Double, at now: Instant) {
            level = min(size, level + max(0, (now - time).inSeconds) * rate)
            time = now
        }
    }

    private struct Client {
        var requests: Bucket
        var wrongCodes: Bucket
        var connections = 0
    }

    private let settings: GatewaySettings
    private let clients: Mutex<RecentTable<String, Client>>
    private let connections = Mutex(0)

    init(_ settings: GatewaySettings) {
        self.settings = settings
        clients = Mutex(RecentTable(capacity: settings.maximumClients))
    }

    /// Whether a client may make a request now.
    func allows(_ address: String, at now: Instant) -> Bool {
        change(address, at: now) { $0.requests.take(rate: settings.requestRate, size: settings.requestBurst, at: now) }
    }

    /// Whether a client has given so many wrong codes that its codes are not looked at.
    func isBarred(_ address: String, at now: Instant) -> Bool {
        change(address, at: now) { client in
            client.wrongCodes.fill(rate: settings.wrongCodesPerMinute / 60, size: settings.wrongCodesPerMinute, at: now)
            return client.wrongCodes.level < 1
        }
    }

    /// Notes a wrong code.
    func noteWrongCode(of address: String, at now: Instant) {
        _ = change(address, at: now) {
            $0.wrongCodes.take(rate: settings.wrongCodesPerMinute / 60, size: settings.wrongCodesPerMinute, at: now)
        }
    }

    /// Whether a client may open a connection; if so, it must be closed with `closed`.
    func opened(_ address: String, at now: Instant) -> Bool {
        let isRoom = connections.withLock { count in
            guard count < settings.maximumConnections else { return false }
            count += 1
            return true
        }
        guard isRoom else { return false }
        let isAllowed = change(address, at: now) { client in
            guard client.connections < settings.maximumClientConnections else { return false }
            client.connections += 1
            return true
        }
        if !isAllowed { connections.withLock { $0 -= 1 } }
        return isAllowed
    }

    /// Notes that a connection has been closed.
    func closed(_ address: String, at now: Instant) {
        connections.withLock { $0 -= 1 }
        _ = change(address, at: now) { client in
            client.connections = max(0, client.connections - 1)  // the client may have been forgotten meanwhile
            return true
        }
    }

    /// The connections that are open.
    var openConnections: Int { connections.withLock { $0 } }

    private func change(_ address: String, at now: Instant, _ body: (inout Client) -> Bool) -> Bool {
        clients.withLock { clients in
            var client =
                clients[address]
                ?? Client(
                    requests: Bucket(level: settings.requestBurst, time: now),
                    wrongCodes: Bucket(level: settings.wrongCodesPerMinute, time: now))
            let result = body(&client)
            clients.set(client, for: address)
            return result
        }
    }
}
