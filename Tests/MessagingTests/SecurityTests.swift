import Files
import FilesTesting
import Foundation
import Glibc
import Schema
import Testing
@testable import Messaging

/// A directory of keys with one owner of each role.
private struct Graph {
    let folder = Folder()
    var keys: KeyDirectory { KeyDirectory(folder.path("keys")) }

    init() throws {
        _ = try keys.add("camera", roles: [.publisher], sources: ["front", "rear"])
        _ = try keys.add("laptop", roles: [.subscriber])
        _ = try keys.add("boss", roles: [.operator])
    }

    func security(_ name: String? = nil, rates: Security.Rates = .init(messages: 1e6, bytes: 1e9)) throws -> Security {
        try Security(keys, name: name, rates: rates)
    }

    /// The keys of somebody whom this graph does not know, but who knows its public key.
    func stranger() throws -> Security {
        let elsewhere = try Graph(), own = try elsewhere.keys.key(of: "camera"), path = folder.path("stranger")
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        let file = try String(contentsOfFile: elsewhere.keys.file(of: "camera"), encoding: .utf8)
        try replacePrivateFile(at: "\(path)/camera.key", with: file.replacingOccurrences(of: own.graph, with: keys.key(of: "graph").graph))
        return try Security(KeyDirectory(path), name: "camera", rates: .init(messages: 1, bytes: 1))
    }
}

private let loopback = "tcp://127.0.0.1:*"

/// A reading's header.
private func header(of source: String, _ sequence: UInt64 = 1) throws -> [UInt8] {
    try SensorReading.with { $0.stamp = .with { ($0.schemaVersion, $0.source, $0.epoch, $0.sequence) = (1, source, 1, sequence) } }
        .serializedBytes()
}

/// Whether a publisher gets in: the endpoint's subscription reaches it.
private func getsIn(_ security: Security?, to endpoint: Endpoint, within limit: Duration = .seconds(20)) async throws -> Bool {
    let bus = try ZeroMQBus(security: security)
    let publisher = try bus.publisher(.connect, [endpoint])
    let isIn = try await publisher.waitForSubscribers(to: "t/", within: limit)
    publisher.close()
    await bus.end()
    return isIn
}

/// Waits until a condition holds.
private func eventually(_ condition: () throws -> Bool) async throws -> Bool {
    for _ in 0..<4_000 {
        if try condition() { return true }
        try await Task.sleep(for: .milliseconds(5))
    }
    return false
}

/// How long those are given who must not get in.
private let refusalWait = Duration.milliseconds(600)

@Suite(.timeLimit(.minutes(2)))
struct SecurityTests {
    @Test func onlyOwnersOfAKeyWithTheRoleComeIn() async throws {
        let graph = try Graph(), bus = try ZeroMQBus(security: graph.security())
        let sensors = try bus.subscriber(to: [Subscription([Endpoint(loopback)], topics: ["t/"], attachment: .bind)])
        let orders = try bus.subscriber(to: [Subscription([Endpoint(loopback)], topics: ["t/"], attachment: .bind, access: .order)])
        let (toSensors, toOrders) = (sensors.endpoints[0], orders.endpoints[0])
        #expect(try await getsIn(graph.security("camera"), to: toSensors))
        #expect(try await getsIn(graph.security(), to: toSensors))
        #expect(try await getsIn(graph.security("boss"), to: toOrders))
        // Wrong roles: a subscriber does not publish, and neither publishers nor stages give orders.
        #expect(try await !getsIn(graph.security("laptop"), to: toSensors, within: refusalWait))
        #expect(try await !getsIn(graph.security("boss"), to: toSensors, within: refusalWait))
        #expect(try await !getsIn(graph.security("camera"), to: toOrders, within: refusalWait))
        #expect(try await !getsIn(graph.security(), to: toOrders, within: refusalWait))
        // Strangers: a key that is not on the list, and a plain peer.
        #expect(try await !getsIn(graph.stranger(), to: toSensors, within: refusalWait))
        #expect(try await !getsIn(nil, to: toSensors, within: refusalWait))
        #expect(try await eventually { sensors.refusals[.notAdmitted, default: 0] >= 5 })
        sensors.cancel()
        orders.cancel()
        await bus.end()
    }

    @Test func subscribersNeedARoleToo() async throws {
        let graph = try Graph(), bus = try ZeroMQBus(security: graph.security())
        let publisher = try bus.publisher(.bind, [Endpoint(loopback)])
        func receives(_ security: Security?, noticesRefusal: Bool = false) async throws -> Bool {
            let other = try ZeroMQBus(security: security)
            let subscriber = try other.subscriber(to: [Subscription(publisher.endpoints, topics: ["t/"])])
            var hasCome = false
            for _ in 0..<200 where !hasCome {
                try publisher.service()
                _ = try publisher.publish("t/", header: header(of: "learn"), payload: [])
                try await Task.sleep(for: .milliseconds(5))
                hasCome = subscriber.takeIfReady() != nil
            }
            if noticesRefusal { #expect(try await eventually { subscriber.refusals[.notAdmitted, default: 0] > 0 }) }
            subscriber.cancel()
            await other.end()
            return hasCome
        }
        #expect(try await receives(graph.security("laptop")))
        #expect(try await receives(graph.security("boss")))
        #expect(try await receives(graph.security()))
        #expect(try await !receives(graph.security("camera"), noticesRefusal: true))
        #expect(try await !receives(graph.stranger(), noticesRefusal: true))
        #expect(try await !receives(nil))
        publisher.close()
        await bus.end()
    }

    /// The key decides, not the header: another's source is refused, also where the header names an allowed one first.
    @Test func aPublisherSpeaksForItsSourcesOnly() async throws {
        let graph = try Graph(), bus = try ZeroMQBus(security: graph.security())
        let sensors = try bus.subscriber(to: [Subscription([Endpoint(loopback)], topics: ["t/"], attachment: .bind)])
        let other = try ZeroMQBus(security: graph.security("camera"))
        let publisher = try other.publisher(.connect, sensors.endpoints)
        #expect(try await publisher.waitForSubscribers(to: "t/", within: .seconds(20)))
        for bytes in try [header(of: "front"), header(of: "gaze"), header(of: "rear"), header(of: "front") + header(of: "gaze")] {
            _ = try publisher.publish("t/", header: bytes, payload: [])
        }
        var found: [String] = []
        for await batch in sensors {
            for index in 0..<batch.count {
                do throws(Refusal) {
                    let reading: SensorReading = try batch[index].decode()
                    found.append(reading.stamp.source)
                } catch {
                    found.append(error.reason.rawValue)
                    #expect(throws: Refusal.self) { try batch[index].stamp() }
                }
            }
            if found.count >= 4 { break }
        }
        #expect(found == ["front", "foreignSource", "rear", "foreignSource"])
        publisher.close()
        sensors.cancel()
        await other.end()
        await bus.end()
    }

    @Test func aRevokedKeyLosesItsConnections() async throws {
        let graph = try Graph(), bus = try ZeroMQBus(security: graph.security())
        _ = try graph.keys.add("gaze", roles: [.publisher, .subscriber])
        let sensors = try bus.subscriber(to: [Subscription([Endpoint(loopback)], topics: ["t/"], attachment: .bind)])
        let output = try bus.publisher(.bind, [Endpoint(loopback)])
        let gaze = try graph.security("gaze"), other = try ZeroMQBus(security: gaze)
        let publisher = try other.publisher(.connect, sensors.endpoints)
        let subscriber = try other.subscriber(to: [Subscription(output.endpoints, topics: ["t/"])])
        #expect(try await publisher.waitForSubscribers(to: "t/", within: .seconds(20)))
        #expect(try await output.waitForSubscribers(to: "t/", within: .seconds(20)))
        _ = try publisher.publish("t/", header: header(of: "gaze"), payload: [])
        #expect(try await eventually { sensors.takeIfReady() != nil })

        try graph.keys.revoke("gaze")
        // Nothing is sent meanwhile: the connections are closed although they are idle.
        #expect(
            try await eventually {
                try output.service()
                try publisher.service()
                return output.subscriberCount(of: "t/") == 0 && publisher.subscriberCount(of: "t/") == 0
            })
        _ = try publisher.publish("t/", header: header(of: "gaze"), payload: [])
        _ = try output.publish("t/", header: header(of: "learn"), payload: [])
        #expect(try await !getsIn(gaze, to: sensors.endpoints[0], within: refusalWait))
        #expect(sensors.takeIfReady() == nil && subscriber.takeIfReady() == nil)
        // Others are not affected.
        #expect(try await getsIn(graph.security("camera"), to: sensors.endpoints[0]))
        publisher.close()
        output.close()
        sensors.cancel()
        subscriber.cancel()
        await other.end()
        await bus.end()
    }

    @Test func withoutTheAuthenticatorNobodyComesIn() async throws {
        let graph = try Graph(), bus = try ZeroMQBus(security: graph.security())
        let sensors = try bus.subscriber(to: [Subscription([Endpoint(loopback)], topics: ["t/"], attachment: .bind)])
        #expect(try await getsIn(graph.security("camera"), to: sensors.endpoints[0]))
        bus.authenticator?.stop()
        try await Task.sleep(for: .milliseconds(50))
        #expect(try await !getsIn(graph.security("camera"), to: sensors.endpoints[0], within: refusalWait))
        #expect(try await !getsIn(graph.stranger(), to: sensors.endpoints[0], within: refusalWait))
        sensors.cancel()
        await bus.end()
    }

    @Test func withoutItsListNobodyComesIn() async throws {
        let graph = try Graph(), bus = try ZeroMQBus(security: graph.security())
        let sensors = try bus.subscriber(to: [Subscription([Endpoint(loopback)], topics: ["t/"], attachment: .bind)])
        chmod(graph.keys.list, 0o644)
        #expect(try await !getsIn(graph.security("camera"), to: sensors.endpoints[0], within: refusalWait))
        #expect(throws: MessagingError.self) { try ZeroMQBus(security: graph.security()) }
        chmod(graph.keys.list, 0o600)
        #expect(try await getsIn(graph.security("camera"), to: sensors.endpoints[0]))
        sensors.cancel()
        await bus.end()
    }

    @Test func whoSendsTooMuchIsCounted() async throws {
        let graph = try Graph()
        _ = try graph.keys.add("noisy", roles: [.publisher], messageRate: 20)
        let bus = try ZeroMQBus(security: graph.security())
        let sensors = try bus.subscriber(to: [Subscription([Endpoint(loopback)], topics: ["t/"], attachment: .bind)])
        let other = try ZeroMQBus(security: graph.security("noisy"))
        let publisher = try other.publisher(.connect, sensors.endpoints)
        #expect(try await publisher.waitForSubscribers(to: "t/", within: .seconds(20)))
        for number in 1...500 { _ = try publisher.publish("t/", header: header(of: "noisy", UInt64(number)), payload: []) }
        var arrived: UInt64 = 0
        #expect(
            try await eventually {
                while let batch = sensors.takeIfReady() { arrived += UInt64(batch.count) }
                return arrived + sensors.refusals[.rateExceeded, default: 0] == 500
            })
        #expect(arrived >= 20 && sensors.refusals[.rateExceeded, default: 0] > 0)
        publisher.close()
        sensors.cancel()
        await other.end()
        await bus.end()
    }

    @Test func aBucketHoldsASecond() {
        let start = ContinuousClock.now
        func granted(_ requests: [(amount: Double, milliseconds: Int)], rate: Double) -> [Bool] {
            var bucket = Bucket(rate: rate)
            return requests.map { bucket.take($0.amount, at: start + .milliseconds($0.milliseconds)) }
        }
        let ones = Array(repeating: (amount: 1.0, milliseconds: 0), count: 12), later = ones.map { (amount: $0.amount, milliseconds: 500) }
        #expect(granted(ones + later, rate: 10).prefix(12).filter { $0 }.count == 10)
        #expect(granted(ones + later, rate: 10).suffix(12).filter { $0 }.count == 5)
        // What is larger than a second's share is let through, and paid for afterwards.
        #expect(granted([(100, 0), (1, 1_000), (1, 8_900), (1, 9_500)], rate: 10) == [true, false, false, true])
        #expect(granted(Array(repeating: (1e9, 0), count: 1_000), rate: .infinity).allSatisfy { $0 })
    }

    /// Records what passes between a publisher and the graph.
    @Test func whatPassesIsNotReadable() async throws {
        let secret = "the door code is 7431"
        for (isEncrypted, isSeen) in [(false, true), (true, false)] {
            let graph = try Graph(), bus = try ZeroMQBus(security: isEncrypted ? graph.security() : nil)
            let sensors = try bus.subscriber(to: [Subscription([Endpoint(loopback)], topics: ["t/"], attachment: .bind)])
            let relay = try Relay(to: sensors.endpoints[0])
            let other = try ZeroMQBus(security: isEncrypted ? graph.security("camera") : nil)
            let publisher = try other.publisher(.connect, [relay.endpoint])
            #expect(try await publisher.waitForSubscribers(to: "t/", within: .seconds(20)))
            _ = try publisher.publish("t/", header: header(of: "front"), payload: [Payload(Array(secret.utf8))])
            var received: [String] = []
            for await batch in sensors {
                received = (0..<batch.count).flatMap { batch[$0].payload.map { String(decoding: [UInt8]($0), as: UTF8.self) } }
                break
            }
            #expect(received == [secret])
            #expect(relay.bytes.range(of: Data(secret.utf8)).map { _ in true } ?? false == isSeen)
            #expect(relay.bytes.count > secret.utf8.count)
            relay.close()
            publisher.close()
            sensors.cancel()
            await other.end()
            await bus.end()
        }
    }

    @Test func filesAreChecked() throws {
        let graph = try Graph(), file = graph.keys.file(of: "camera")
        #expect(try mode(of: file) == 0o600 && mode(of: graph.keys.list) == 0o600 && mode(of: graph.keys.path) == 0o700)
        #expect(try mode(of: graph.keys.file(of: "graph")) == 0o600)
        chmod(file, 0o640)
        #expect(throws: MessagingError.self) { try graph.security("camera") }
        chmod(file, 0o600)
        #expect(try graph.security("camera").own.publicKey == graph.keys.allowed()[0].publicKey)
        chmod(graph.keys.path, 0o777)
        #expect(throws: MessagingError.self) { try graph.security("camera") }
        chmod(graph.keys.path, 0o700)
        let text = try String(contentsOfFile: file, encoding: .utf8)
        let mixed = text.replacingOccurrences(
            of: try graph.keys.key(of: "camera").pair.secretKey, with: try graph.keys.key(of: "boss").pair.secretKey)
        try Data(mixed.utf8).write(to: URL(filePath: file))
        #expect(throws: MessagingError.self) { try graph.security("camera") }
        #expect(throws: MessagingError.self) { try graph.security("nobody") }
    }

    @Test func namesAreTakenOnce() throws {
        let graph = try Graph()
        #expect(throws: MessagingError.self) { try graph.keys.add("camera", roles: [.stage]) }
        #expect(throws: MessagingError.self) { try graph.keys.add("graph", roles: [.stage]) }
        #expect(throws: MessagingError.self) { try graph.keys.add("a/b", roles: [.stage]) }
        #expect(throws: MessagingError.self) { try graph.keys.add("x", roles: [.publisher], sources: ["a.b"]) }
        #expect(throws: MessagingError.self) { try graph.keys.add("x", roles: []) }
        try graph.keys.revoke("camera")
        #expect(throws: MessagingError.self) { try graph.keys.revoke("camera") }
        _ = try graph.keys.add("camera", roles: [.stage], messageRate: 2.5)
        #expect(try graph.keys.allowed().map(\.name) == ["laptop", "boss", "camera"])
        #expect(try graph.keys.allowed()[2].messageRate == 2.5)
    }

    /// An owner's key connects only; and what lies within the host needs none.
    @Test func anOwnersKeyBindsNoTCP() async throws {
        let graph = try Graph(), bus = try ZeroMQBus(security: graph.security("camera"))
        #expect(throws: MessagingError.self) { try bus.publisher(.bind, [Endpoint(loopback)]) }
        let local = try Endpoint("ipc://\(graph.folder.path("local"))")
        let publisher = try bus.publisher(.bind, [local])
        let plain = try ZeroMQBus(), subscriber = try plain.subscriber(to: [Subscription([local], topics: ["t/"])])
        #expect(try await publisher.waitForSubscribers(to: "t/", within: .seconds(20)))
        publisher.close()
        subscriber.cancel()
        await plain.end()
        await bus.end()
    }

    /// Plain and encrypted endpoints of one socket, in any order.
    @Test func oneSocketHasEndpointsOfBothKinds() async throws {
        let graph = try Graph()
        for isPlainFirst in [true, false] {
            let bus = try ZeroMQBus(security: graph.security())
            let places = try [Endpoint("ipc://\(graph.folder.path("both"))"), Endpoint(loopback)]
            let sensors = try bus.subscriber(
                to: [Subscription(isPlainFirst ? places : places.reversed(), topics: ["t/"], attachment: .bind)])
            let local = isPlainFirst ? sensors.endpoints[0] : sensors.endpoints[1],
                remote = isPlainFirst ? sensors.endpoints[1] : sensors.endpoints[0]
            #expect(try await getsIn(nil, to: local))
            #expect(try await getsIn(graph.security("camera"), to: remote))
            #expect(try await !getsIn(nil, to: remote, within: refusalWait))
            sensors.cancel()
            await bus.end()
        }
    }

    private func mode(of path: String) throws -> Int {
        try #require(FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int)
    }
}
