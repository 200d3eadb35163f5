import Messaging
import Schema
import Testing

struct MessageChannelTests {
    private func limits(messages: Int, bytes: Int = 1 << 20) -> Limits {
        var limits = Limits()
        limits.waitingMessages = messages
        limits.waitingBytes = bytes
        return limits
    }

    private func send(_ numbers: ClosedRange<Int>, into channel: MessageChannel) -> [Bool] {
        numbers.map { channel.deliver(topic: "t/", header: Array("\($0)".utf8), payload: []) }
    }

    private func readAll(_ channel: MessageChannel) -> [Int?] {
        let subscriber = Subscriber(channel)
        var numbers: [Int?] = []
        while let batch = subscriber.takeIfReady() {
            numbers += (0..<batch.count).map { Int(String(decoding: [UInt8](batch[$0].header), as: UTF8.self)) }
        }
        return numbers
    }

    @Test func dropOldestKeepsTheNewestAndCountsTheRest() {
        let channel = MessageChannel(limits: limits(messages: 10), overflow: .dropOldest)
        #expect(send(1...25, into: channel) == Array(repeating: true, count: 25))
        #expect(readAll(channel) == Array(16...25))
        #expect(Subscriber(channel).refusals == [.overflow: 15])
    }

    private func send(_ count: Int, of topic: String, bytes: Int = 1, into channel: MessageChannel) {
        for _ in 1...count { _ = channel.deliver(topic: topic, header: [], payload: [Payload([UInt8](repeating: 7, count: bytes))]) }
    }

    private func topics(_ channel: MessageChannel) -> [String] {
        var topics: [String] = []
        while let batch = Subscriber(channel).takeIfReady() { topics += (0..<batch.count).map { batch[$0].topic } }
        return topics
    }

    @Test func aSourceThatSendsTooMuchLosesItsOwnMessages() {
        let channel = MessageChannel(limits: limits(messages: 100), overflow: .dropOldest)
        send(3, of: "quiet/", into: channel)
        send(1_000, of: "noisy/", into: channel)
        send(2, of: "quiet/", into: channel)
        #expect(topics(channel) == ["quiet/", "quiet/", "quiet/"] + Array(repeating: "noisy/", count: 25) + ["quiet/", "quiet/"])
        #expect(Subscriber(channel).refusals == [.overflow: 975])
        // A single source may use the whole queue.
        send(150, of: "noisy/", into: channel)
        #expect(topics(channel).count == 100)
    }

    @Test func manySourcesThatSendTooMuchShareTheQueue() {
        let channel = MessageChannel(limits: limits(messages: 100), overflow: .dropOldest)
        for _ in 1...50 { for source in 1...20 { send(1, of: "s\(source)/", into: channel) } }
        send(1, of: "quiet/", into: channel)
        let waiting = topics(channel)
        #expect(waiting.count <= 100)
        #expect(waiting.last == "quiet/")
        #expect((1...20).allSatisfy { source in waiting.count { $0 == "s\(source)/" } >= 4 })
        // More sources than there is room for: the oldest go.
        for source in 1...300 { send(1, of: "t\(source)/", into: channel) }
        #expect(topics(channel) == (201...300).map { "t\($0)/" })
    }

    @Test func bytesAreSharedToo() {
        let channel = MessageChannel(limits: limits(messages: 1_000, bytes: 100_000), overflow: .dropOldest)
        send(2, of: "quiet/", bytes: 10_000, into: channel)
        send(40, of: "noisy/", bytes: 9_994, into: channel)
        send(1, of: "quiet/", bytes: 10_000, into: channel)
        // A quarter of the queue, and the newest message of each is not dropped for its own size.
        #expect(topics(channel) == ["quiet/", "quiet/", "noisy/", "noisy/", "quiet/"])
        send(1, of: "large/", bytes: 60_000, into: channel)
        send(1, of: "quiet/", bytes: 10, into: channel)
        #expect(topics(channel) == ["large/", "quiet/"])
    }

    /// Extractors receive all readings on one topic from one sender: the source is named in the header.
    @Test func aSourceThatSendsTooMuchLosesItsOwnReadingsAtTheExtractors() throws {
        let channel = MessageChannel(limits: limits(messages: 100), overflow: .dropOldest)
        func sample(_ source: String) throws -> [UInt8] {
            try Sample.with {
                $0.arrived = 5; $0.reading.session = "s"; $0.reading.stamp.source = source
            }.serializedBytes()
        }
        func feature(_ source: String) throws -> [UInt8] {
            try FeatureFrame.with {
                $0.arrived = 5; $0.frame.session = "s"; $0.frame.source = source
            }.serializedBytes()
        }
        for (topic, header) in [("sample.text/", sample), ("feature.text/", feature)] {
            _ = channel.deliver(topic: topic, header: try header("quiet"), payload: [])
            for _ in 1...500 { _ = channel.deliver(topic: topic, header: try header("noisy"), payload: []) }
            let quiet = try header("quiet")
            let first = Subscriber(channel).takeIfReady().map { [UInt8]($0[0].header) }
            #expect(first == quiet)
            #expect(topics(channel).count == 25)
            // Headers that cannot be decoded have a flow too.
            _ = channel.deliver(topic: topic, header: [0x1A, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x01], payload: [])
            _ = channel.deliver(topic: topic, header: [0x80], payload: [])
            #expect(topics(channel).count == 2)
        }
    }

    @Test func inLockstepNoSourcesMessagesAreDropped() {
        let channel = MessageChannel(limits: limits(messages: 100), overflow: .backpressure)
        send(90, of: "noisy/", into: channel)
        send(10, of: "quiet/", into: channel)
        #expect(!channel.deliver(topic: "quiet/", header: [], payload: []))
        #expect(topics(channel) == Array(repeating: "noisy/", count: 90) + Array(repeating: "quiet/", count: 10))
    }

    @Test func backpressureKeepsTheOldestAndRefusesMore() {
        let channel = MessageChannel(limits: limits(messages: 10), overflow: .backpressure)
        #expect(send(1...12, into: channel) == Array(repeating: true, count: 10) + [false, false])
        #expect(readAll(channel) == Array(1...10))
        #expect(send(13...13, into: channel) == [true])
        #expect(Subscriber(channel).refusals.isEmpty)
    }

    @Test func bytesAreBoundedToo() {
        let channel = MessageChannel(limits: limits(messages: 1_000, bytes: 10_000), overflow: .dropOldest)
        for _ in 1...100 { _ = channel.deliver(topic: "t/", header: [], payload: [Payload([UInt8](repeating: 7, count: 998))]) }
        // Ten within the bound, and the newest.
        #expect(readAll(channel).count == 11)
        // A message larger than the bound may wait.
        _ = channel.deliver(topic: "t/", header: [], payload: [Payload([UInt8](repeating: 7, count: 50_000))])
        #expect(readAll(channel).count == 1)
    }

    @Test func roomIsSignalledOnceThereIsSome() async {
        await confirmation(expectedCount: 1) { announced in
            let channel = MessageChannel(limits: limits(messages: 3), overflow: .backpressure) { announced() }
            #expect(send(1...4, into: channel) == [true, true, true, false])
            #expect(readAll(channel) == [1, 2, 3])
        }
    }

    @Test func aConsumerWaitsUntilSomethingComesOrTheChannelEnds() async {
        let channel = MessageChannel(limits: Limits(), overflow: .backpressure)
        let (taken, progress) = AsyncStream.makeStream(of: Int.self)
        let consumer = Task {
            var count = 0
            for await batch in Subscriber(channel) {
                count += batch.count
                progress.yield(count)
            }
            return count
        }
        #expect(send(1...3, into: channel) == [true, true, true])
        for await count in taken where count == 3 { break }
        channel.end()
        #expect(await consumer.value == 3)
        #expect(send(4...4, into: channel) == [true])
        #expect(Subscriber(channel).takeIfReady() == nil)
    }

    @Test func cancellingTheTaskEndsTheSequence() async {
        let channel = MessageChannel(limits: Limits(), overflow: .backpressure)
        let consumer = Task { for await _ in Subscriber(channel) {} }
        consumer.cancel()
        await consumer.value
        #expect(channel.isEnded)
    }
}
