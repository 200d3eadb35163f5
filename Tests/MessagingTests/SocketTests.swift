import FilesTesting
import Foundation
import Messaging
import Schema
import Testing

extension Folder {
    fileprivate func endpoint(_ name: String) throws -> Endpoint { try Endpoint("ipc://\(path(name))") }
}

private enum Transport: CaseIterable {
    case ipc, tcp, ipv6, name

    func endpoint(in directory: Folder) throws -> Endpoint {
        switch self {
        case .ipc: try directory.endpoint("bus")
        case .tcp: try Endpoint("tcp://127.0.0.1:*")
        case .ipv6: try Endpoint("tcp://[::1]:*")
        case .name: try Endpoint("tcp://localhost:*")
        }
    }
}

@Suite(.timeLimit(.minutes(1)))
struct SocketTests {
    /// The first `count` messages' headers, which hold numbers.
    private func numbers(_ subscriber: Subscriber, count: Int) async -> [Int] {
        var numbers: [Int] = []
        for await batch in subscriber {
            for index in 0..<batch.count { numbers.append(Int(String(decoding: [UInt8](batch[index].header), as: UTF8.self)) ?? -1) }
            if numbers.count >= count { break }
        }
        return numbers
    }

    private func header(_ number: Int) -> [UInt8] { Array("\(number)".utf8) }

    @Test(arguments: Transport.allCases)
    private func afterWaitingForSubscribersNothingIsLost(transport: Transport) async throws {
        let directory = Folder()
        let bus = try ZeroMQBus()
        var options = PublisherOptions()
        options.overflow = .backpressure
        options.limits = .lossless
        let publisher = try bus.publisher(.bind, [transport.endpoint(in: directory)], options: options)
        let subscriber = try bus.subscriber(
            to: [Subscription(publisher.endpoints, topics: ["t/"])], limits: .lossless, overflow: .backpressure)
        #expect(try await publisher.waitForSubscribers(to: "t/", within: .seconds(30)))

        let received = Task { await numbers(subscriber, count: 2_000) }
        let payload = Payload([UInt8](repeating: 1, count: 40_000))
        for number in 1...2_000 {
            while try !publisher.publish("t/", header: header(number), payload: number % 10 == 0 ? [payload] : []) {
                try await Task.sleep(for: .milliseconds(1))
            }
        }
        #expect(await received.value == Array(1...2_000))
        publisher.close()
        subscriber.cancel()
        await bus.end()
    }

    @Test func backpressureReachesThePublisherAndStillNothingIsLost() async throws {
        let bus = try ZeroMQBus()
        var options = PublisherOptions()
        options.overflow = .backpressure
        options.limits.sendQueue = 10
        var limits = Limits()
        limits.receiveQueue = 10
        limits.waitingMessages = 20
        let publisher = try bus.publisher(.bind, [Endpoint("tcp://127.0.0.1:*")], options: options)
        let subscriber = try bus.subscriber(
            to: [Subscription(publisher.endpoints, topics: ["t/"])], limits: limits, overflow: .backpressure)
        #expect(try await publisher.waitForSubscribers(to: "t/", within: .seconds(30)))
        let payload = Payload([UInt8](repeating: 1, count: 100_000))
        var received: Task<[Int], Never>?
        for number in 1...500 {
            while try !publisher.publish("t/", header: header(number), payload: [payload]) {
                // Nobody reads until the publisher has been held up.
                if received == nil { received = Task { await numbers(subscriber, count: 500) } }
                try await Task.sleep(for: .milliseconds(1))
            }
        }
        let reader = try #require(received, "the publisher was never held up")
        #expect(await reader.value == Array(1...500))
        #expect(subscriber.refusals.isEmpty)
        publisher.close()
        subscriber.cancel()
        await bus.end()
    }

    @Test func aLateJoinerGetsTheLastMessageOfATopicThatIsKept() async throws {
        let directory = Folder()
        let bus = try ZeroMQBus()
        var options = PublisherOptions()
        options.keepsLast = ["model.update/"]
        let publisher = try bus.publisher(.bind, [directory.endpoint("bus")], options: options)
        for number in 1...5 { #expect(try publisher.publish("model.update/", header: header(number), payload: [])) }
        for _ in 1...2 {
            let late = try bus.subscriber(to: [Subscription(publisher.endpoints, topics: ["model."])])
            #expect(try await publisher.waitForSubscribers(to: "model.update/", within: .seconds(30)))
            var batch: MessageBatch?
            while batch == nil {
                try publisher.service()
                try await Task.sleep(for: .milliseconds(1))
                batch = late.takeIfReady()
            }
            #expect(batch.map { [UInt8]($0[0].header) } == header(5))
            late.cancel()
            while publisher.subscriberCount(of: "model.update/") > 0 {
                try publisher.service()
                try await Task.sleep(for: .milliseconds(1))
            }
        }
        publisher.close()
        await bus.end()
    }

    @Test func aNewcomerGetsTheLastMessageAlthoughAnothersQueueWasFull() async throws {
        let bus = try ZeroMQBus()
        var options = PublisherOptions()
        options.keepsLast = ["model.update/"]
        options.overflow = .backpressure
        options.limits.sendQueue = 2
        var limits = Limits()
        limits.receiveQueue = 2
        limits.waitingMessages = 16
        let publisher = try bus.publisher(.bind, [Endpoint("tcp://127.0.0.1:*")], options: options)
        let slow = try bus.subscriber(to: [Subscription(publisher.endpoints, topics: ["model."])], limits: limits, overflow: .backpressure)
        #expect(try await publisher.waitForSubscribers(to: "model.update/", within: .seconds(30)))
        let payload = Payload([UInt8](repeating: 1, count: 1 << 20))
        var last = 0
        while try publisher.publish("model.update/", header: header(last + 1), payload: [payload]) { last += 1 }
        let late = try bus.subscriber(to: [Subscription(publisher.endpoints, topics: ["model."])])
        #expect(try await publisher.waitForSubscribers(to: "model.update/", count: 2, within: .seconds(30)))
        try publisher.service()
        #expect(await numbers(slow, count: last) == Array(1...last))
        var batch: MessageBatch?
        while batch == nil {
            try publisher.service()
            try await Task.sleep(for: .milliseconds(1))
            batch = late.takeIfReady()
        }
        #expect(batch.map { [UInt8]($0[0].header) } == header(last))
        publisher.close()
        slow.cancel()
        late.cancel()
        await bus.end()
    }

    private actor Reader {
        nonisolated let executor = StageExecutor("reader")
        nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }
        private(set) var count = 0
        private(set) var missed = 0

        /// Reads messages whose headers count from one.
        func read(_ subscriber: Subscriber) async {
            for await batch in subscriber {
                for index in 0..<batch.count {
                    count += 1
                    if String(decoding: [UInt8](batch[index].header), as: UTF8.self) != "\(count)" { missed += 1 }
                }
            }
        }
    }

    /// The actor takes messages on its own queue, on which its other callers wait.
    @Test func anActorToWhichMessagesKeepComingDoesItsOtherWorkToo() async throws {
        let directory = Folder()
        let endpoint = try directory.endpoint("bus")
        let bus = try ZeroMQBus()
        let subscriber = try bus.subscriber(
            to: [Subscription([endpoint], topics: ["t/"])], limits: .lossless, overflow: .backpressure)
        let sending = Task {
            var options = PublisherOptions()
            options.overflow = .backpressure
            let publisher = try bus.publisher(.bind, [endpoint], options: options)
            _ = try await publisher.waitForSubscribers(to: "t/", within: .seconds(30))
            var number = 1
            while !Task.isCancelled {
                if try publisher.publish("t/", header: header(number), payload: []) { number += 1 } else { usleep(100) }
            }
            publisher.close()
        }
        let reader = Reader()
        let reading = Task(executorPreference: reader.executor) { await reader.read(subscriber) }
        for goal in [1, 100_000, 200_000] {
            while await reader.count < goal { try await Task.sleep(for: .milliseconds(1)) }
        }
        #expect(await reader.missed == 0)
        sending.cancel()
        try await sending.value
        subscriber.cancel()
        await reading.value
        await bus.end()
    }

    @Test func aRestartedPublisherIsReceivedAgain() async throws {
        let directory = Folder()
        let endpoint = try directory.endpoint("bus")
        let listening = try ZeroMQBus()
        let subscriber = try listening.subscriber(to: [Subscription([endpoint], topics: ["t/"])])
        for life in 1...3 {
            let bus = try ZeroMQBus()
            let publisher = try bus.publisher(.bind, [endpoint], options: PublisherOptions())
            #expect(try await publisher.waitForSubscribers(to: "t/", within: .seconds(30)))
            #expect(try publisher.publish("t/", header: header(life), payload: []))
            #expect(await numbers(subscriber, count: 1) == [life])
            publisher.close()
            await bus.end()
        }
        subscriber.cancel()
        await listening.end()
    }

    @Test func aBoundSubscriberReceivesFromPublishersThatConnect() async throws {
        let bus = try ZeroMQBus()
        let subscriber = try bus.subscriber(
            to: [Subscription([Endpoint("tcp://127.0.0.1:*")], topics: ["a/", "b/"], attachment: .bind)])
        let publishers = try (1...3).map { _ in
            try bus.publisher(.connect, subscriber.endpoints, options: PublisherOptions())
        }
        for (index, publisher) in publishers.enumerated() {
            #expect(try await publisher.waitForSubscribers(to: "b/", within: .seconds(30)))
            #expect(try publisher.publish("c/", header: header(-1), payload: []))
            #expect(try publisher.publish("b/", header: header(index), payload: []))
        }
        #expect(await numbers(subscriber, count: 3).sorted() == [0, 1, 2])
        for publisher in publishers { publisher.close() }
        subscriber.cancel()
        await bus.end()
    }

    @Test func oversizeAndTooManyPartsAreRefusedAndNothingElse() async throws {
        let bus = try ZeroMQBus()
        var limits = Limits()
        limits.frameBytes = 1_000
        limits.parts = 4
        let subscriber = try bus.subscriber(
            to: [Subscription([Endpoint("tcp://127.0.0.1:*")], topics: ["t/"], attachment: .bind)], limits: limits)
        let publisher = try bus.publisher(.connect, subscriber.endpoints, options: PublisherOptions())
        #expect(try await publisher.waitForSubscribers(to: "t/", within: .seconds(30)))
        let small = Payload([1, 2, 3] as [UInt8])
        #expect(try publisher.publish("t/", header: header(1), payload: [small]))
        #expect(try publisher.publish("t/", header: header(2), payload: [Payload([UInt8](repeating: 0, count: 1_001))]))
        #expect(try publisher.publish("t/", header: header(3), payload: [small, small, small]))
        #expect(try publisher.publish("t/", header: header(4), payload: [small, small]))
        #expect(await numbers(subscriber, count: 2) == [1, 4])
        #expect(subscriber.refusals == [.oversize: 1, .tooManyParts: 1])

        // Far beyond the bound the connection is cut before the frame is read; it comes back by itself.
        #expect(try publisher.publish("t/", header: header(5), payload: [Payload([UInt8](repeating: 0, count: 100_000))]))
        var next: MessageBatch?
        while next == nil {
            #expect(try publisher.publish("t/", header: header(6), payload: []))
            try await Task.sleep(for: .milliseconds(5))
            next = subscriber.takeIfReady()
        }
        #expect(next.map { [UInt8]($0[0].header) } == header(6))
        publisher.close()
        subscriber.cancel()
        await bus.end()
    }

    @Test func aPublisherRefusesMessagesBeyondTheLimits() throws {
        let bus = try ZeroMQBus()
        var options = PublisherOptions()
        options.limits.frameBytes = 10
        let publisher = try bus.publisher(.bind, [Endpoint("tcp://127.0.0.1:*")], options: options)
        #expect(throws: MessagingError.self) {
            try publisher.publish("t/", header: header(1), payload: [Payload([UInt8](repeating: 0, count: 11))])
        }
        #expect(throws: MessagingError.self) {
            try publisher.publish("t/", header: header(1), payload: Array(repeating: Payload([UInt8]()), count: 15))
        }
        publisher.close()
        #expect(throws: MessagingError.self) { try publisher.publish("t/", header: header(1), payload: []) }
    }

    @Test func aSecondBindOfAnIpcPathIsRefusedAndAStaleSocketReplaced() async throws {
        let directory = Folder()
        let endpoint = try directory.endpoint("deep/bus")
        let first = try ZeroMQBus()
        let publisher = try first.publisher(.bind, [endpoint], options: PublisherOptions())
        let second = try ZeroMQBus()
        let error = #expect(throws: MessagingError.self) { try second.publisher(.bind, [endpoint], options: PublisherOptions()) }
        #expect(error?.description == "cannot bind \(endpoint): another process holds it; stop that one or choose another path")
        publisher.close()
        await first.end()

        let stale = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let path = "\(directory.path)/deep/bus"
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8CString.map { UInt8(bitPattern: $0) }) }
        let bound = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(stale, $0, socklen_t(MemoryLayout<sockaddr_un>.size)) }
        }
        #expect(bound == 0)
        close(stale)
        #expect(FileManager.default.fileExists(atPath: path))
        try second.publisher(.bind, [endpoint], options: PublisherOptions()).close()
        await second.end()
    }

    @Test func aDirectoryThatOthersMayEnterIsRefused() throws {
        let directory = Folder()
        let bus = try ZeroMQBus()
        #expect(FileManager.default.createFile(atPath: directory.path + "/file", contents: Data([1])))
        #expect(throws: MessagingError.self) { try bus.publisher(.bind, [directory.endpoint("file")], options: PublisherOptions()) }
        #expect(FileManager.default.contents(atPath: directory.path + "/file") == Data([1]))
        #expect(chmod(directory.path, 0o755) == 0)
        let error = #expect(throws: MessagingError.self) {
            try bus.publisher(.bind, [directory.endpoint("bus")], options: PublisherOptions())
        }
        #expect(error?.reason.hasPrefix("others may enter") == true)
    }

    @Test func overloadIsBoundedAndCounted() async throws {
        let bus = try ZeroMQBus()
        var limits = Limits()
        limits.waitingMessages = 100
        let publisher = try bus.publisher(.bind, [Endpoint("tcp://127.0.0.1:*")], options: PublisherOptions())
        let subscriber = try bus.subscriber(to: [Subscription(publisher.endpoints, topics: ["t/"])], limits: limits)
        #expect(try await publisher.waitForSubscribers(to: "t/", within: .seconds(30)))
        for number in 1...20_000 {
            #expect(try publisher.publish("t/", header: header(number), payload: []))
            if number % 500 == 0 { try await Task.sleep(for: .milliseconds(1)) }
        }
        // The last message shows that everything has arrived that will arrive.
        var waiting: [Int] = []
        var dropped: UInt64 = 0
        while waiting.last != 20_001 {
            #expect(try publisher.publish("t/", header: header(20_001), payload: []))
            try await Task.sleep(for: .milliseconds(20))
            dropped = subscriber.refusals[.overflow, default: 0]
            waiting = []
            while let batch = subscriber.takeIfReady() {
                waiting += (0..<batch.count).compactMap { Int(String(decoding: [UInt8](batch[$0].header), as: UTF8.self)) }
            }
        }
        #expect(dropped > 1_000)
        #expect(waiting.count <= 256)
        publisher.close()
        subscriber.cancel()
        await bus.end()
    }
}
