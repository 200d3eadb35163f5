import Messaging
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

    @Test func roomIsAnnouncedOnceThereIsSome() async {
        await confirmation(expectedCount: 1) { announced in
            let channel = MessageChannel(limits: limits(messages: 3), overflow: .backpressure) { announced() }
            #expect(send(1...4, into: channel) == [true, true, true, false])
            #expect(readAll(channel) == [1, 2, 3])
        }
    }

    @Test func aConsumerWaitsUntilSomethingComesOrTheChannelEnds() async {
        let channel = MessageChannel(limits: Limits(), overflow: .backpressure)
        let consumer = Task {
            var count = 0
            for await batch in Subscriber(channel) { count += batch.count }
            return count
        }
        #expect(send(1...3, into: channel) == [true, true, true])
        while Subscriber(channel).takeIfReady() != nil {}  // What the consumer has not taken, nobody misses.
        channel.end()
        #expect(await consumer.value <= 3)
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
