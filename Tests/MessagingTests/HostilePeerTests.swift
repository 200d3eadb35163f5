import Foundation
import Schema
import Synchronization
import Testing
@testable import Messaging

/// A peer that implements ZMTP itself, so that it can violate it.  https://rfc.zeromq.org/spec/23/
private final class RawPeer {
    private let descriptor: Int32

    init(_ endpoint: Endpoint, as kind: String) throws {
        let port = try #require(UInt16(endpoint.description.split(separator: ":").last ?? ""))
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = inet_addr("127.0.0.1")
        let connected = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) }
        }
        try #require(connected == 0)
        let greeting = [0xFF, 0, 0, 0, 0, 0, 0, 0, 0, 0x7F, 3, 0] + Array("NULL".utf8) + [UInt8](repeating: 0, count: 16 + 32)
        #expect(send(greeting))
        receive(64)
        let ready = [5] + Array("READY".utf8) + [11] + Array("Socket-Type".utf8) + [0, 0, 0, UInt8(kind.utf8.count)] + Array(kind.utf8)
        #expect(send([4, UInt8(ready.count)] + ready))
        receive(2)
    }

    deinit { close(descriptor) }

    /// False when the other side has ended the connection.
    func send(_ bytes: [UInt8]) -> Bool {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
            guard count > 0 else { return false }
            rest = rest.dropFirst(count)
        }
        return true
    }

    /// A frame after which more follow.
    func sendPart(_ bytes: [UInt8]) -> Bool {
        let size = UInt64(bytes.count).bigEndian
        return send([3] + withUnsafeBytes(of: size) { Array($0) } + bytes)
    }

    private func receive(_ count: Int) {
        var bytes = [UInt8](repeating: 0, count: count)
        _ = recv(descriptor, &bytes, count, Int32(MSG_WAITALL))
    }
}

@Suite(.timeLimit(.minutes(2)))
struct HostilePeerTests {
    @Test(arguments: [Overflow.dropOldest, .backpressure])
    func aMessageThatDoesNotEndIsCutOff(overflow: Overflow) async throws {
        let bus = try ZeroMQBus()
        var limits = Limits()
        limits.frameBytes = 64 << 10
        let subscriber = try bus.subscriber(
            to: [Subscription([Endpoint("tcp://127.0.0.1:*")], topics: [""], attachment: .bind)], limits: limits, overflow: overflow)
        let good = try bus.publisher(.connect, subscriber.endpoints, options: PublisherOptions())
        #expect(try await good.waitForSubscribers(to: "t/", within: .seconds(30)))
        for part in [60_000, 100, 1] {
            let evil = try RawPeer(subscriber.endpoints[0], as: "PUB")
            let bytes = [UInt8](repeating: 1, count: part)
            var sent = 0
            while evil.sendPart(bytes) { sent += part }
            #expect(sent > 0)
        }
        while subscriber.refusals[.oversize, default: 0] < 3 { try await Task.sleep(for: .milliseconds(1)) }
        #expect(subscriber.refusals == [.oversize: 3])
        // Messages of a peer that ends them are received.
        #expect(try good.publish("t/", header: [1], payload: []))
        for await batch in subscriber {
            #expect(batch.count == 1 && batch[0].topic == "t/")
            break
        }
        good.close()
        subscriber.cancel()
        await bus.end()
    }

    @Test func aPeerThatSendsManyWholeMessagesIsNotDisconnected() async throws {
        let bus = try ZeroMQBus()
        var limits = Limits()
        limits.frameBytes = 64 << 10
        let subscriber = try bus.subscriber(
            to: [Subscription([Endpoint("tcp://127.0.0.1:*")], topics: ["t/"], attachment: .bind)], limits: limits, overflow: .backpressure)
        var options = PublisherOptions()
        options.overflow = .backpressure
        let publisher = try bus.publisher(.connect, subscriber.endpoints, options: options)
        #expect(try await publisher.waitForSubscribers(to: "t/", within: .seconds(30)))
        let payload = Payload([UInt8](repeating: 1, count: 60_000))
        let received = Task {
            var count = 0
            for await batch in subscriber {
                count += batch.count
                if count == 500 { break }
            }
            return count
        }
        for _ in 1...500 {
            while try !publisher.publish("t/", header: [1], payload: [payload]) { try await Task.sleep(for: .milliseconds(1)) }
        }
        #expect(await received.value == 500)
        #expect(subscriber.refusals.isEmpty)
        publisher.close()
        subscriber.cancel()
        await bus.end()
    }

    @Test func aPeerThatSubscribesToTooMuchIsDisconnected() async throws {
        let bus = try ZeroMQBus()
        let publisher = try bus.publisher(.bind, [Endpoint("tcp://127.0.0.1:*")], options: PublisherOptions())
        let good = try bus.subscriber(to: [Subscription(publisher.endpoints, topics: ["t/"])])
        #expect(try await publisher.waitForSubscribers(to: "t/", within: .seconds(30)))
        let sent = Mailbox<Int>()
        Thread.detachNewThread { [endpoint = publisher.endpoints[0]] in
            guard let evil = try? RawPeer(endpoint, as: "SUB"), let other = try? RawPeer(endpoint, as: "SUB") else { return sent.put(-1) }
            var number: UInt32 = 0, bytes = 0
            func subscription() -> [UInt8] {
                number += 1
                return [0, 200, 1] + withUnsafeBytes(of: number) { Array($0) } + [UInt8](repeating: 7, count: 195)
            }
            while evil.send(subscription()) { bytes += 202 }
            // One that is longer than any topic is not even read.
            while other.send([2, 0, 0, 0, 0, 1, 0, 0, 0, 1] + [UInt8](repeating: 7, count: 100_000)) {}
            sent.put(bytes)
        }
        while sent.content == nil {
            try publisher.service()
            try await Task.sleep(for: .milliseconds(1))
        }
        #expect(try #require(sent.content) > 64 << 10)
        while publisher.subscriberCount(of: "t/") != 1 || publisher.subscriberCount(of: "\u{7}") > 0 { try publisher.service() }
        #expect(publisher.subscriberCount(of: "t/") == 1)
        #expect(try publisher.publish("t/", header: [1], payload: []))
        for await batch in good {
            #expect(batch[0].topic == "t/")
            break
        }
        publisher.close()
        good.cancel()
        await bus.end()
    }

    /// A peer that completes ZeroMQ's handshake and reads nothing else.
    @Test func aPeerThatNeverReadsTakesBoundedMemoryAndDisturbsNoOther() async throws {
        let bus = try ZeroMQBus()
        var options = PublisherOptions()
        options.limits.sendBytes = 4 << 20
        let publisher = try bus.publisher(.bind, [Endpoint("tcp://127.0.0.1:*")], options: options)
        let good = try bus.subscriber(to: [Subscription(publisher.endpoints, topics: ["t/"])])
        let evil = try RawPeer(publisher.endpoints[0], as: "SUB")
        #expect(evil.send([0, 3, 1] + Array("t/".utf8)))
        #expect(try await publisher.waitForSubscribers(to: "t/", count: 2, within: .seconds(30)))
        let socket = try #require(publisher as? SocketPublisher)
        let newest = Mailbox<UInt8>()
        let reading = Task {
            for await batch in good { for index in 0..<batch.count { newest.put([UInt8](batch[index].header)[0]) } }
        }
        var most = 0
        for number in 1...100 as ClosedRange<UInt8> {
            // A reading peer may be late for a moment and miss a message; it gets the next.
            while newest.content != number {
                #expect(try publisher.publish("t/", header: [number], payload: [Payload([UInt8](repeating: number, count: 1 << 20))]))
                most = max(most, socket.waitingBytes)
                try publisher.service()
                for _ in 0..<200 where newest.content != number { try await Task.sleep(for: .milliseconds(1)) }
            }
        }
        reading.cancel()
        #expect(most > 4 << 20)
        #expect(most <= 16 << 20)
        publisher.close()
        good.cancel()
        await bus.end()
    }
}

/// A value passed from one thread to another.
private final class Mailbox<Content: Sendable>: Sendable {
    private let box = Mutex<Content?>(nil)
    var content: Content? { box.withLock { $0 } }
    func put(_ content: Content) { box.withLock { $0 = content } }
}
