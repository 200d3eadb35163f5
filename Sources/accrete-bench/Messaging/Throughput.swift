import CBaseline
import Foundation
import Messaging

/// Messages a second from one publisher to one subscriber, nothing lost.
struct Throughput {
    struct Result: Codable {
        let transport: Transport
        let size: Int
        /// Messages a second.
        let ours: Double
        let c: Double
        /// The median of the rounds' ratios.
        let ratio: Double
        /// Processor time of both sides together for one message, seconds.
        let oursCPU: Double
        let cCPU: Double
    }

    let transport: Transport
    let size: Int
    let directory: BenchDirectory

    /// About half a second's worth.
    private var count: Int { max(600, min(300_000, (400 << 20) / (size + 1_200))) }
    /// At most 32 MB on the way.
    private var queue: Int { max(16, min(1_000, (32 << 20) / size)) }

    func run(rounds: Int) async throws -> Result {
        var ours: [Double] = []
        var c: [Double] = []
        var oursCPU: [Double] = []
        var cCPU: [Double] = []
        for _ in 0..<rounds {
            let start = processorSeconds()
            ours.append(try await measureOurs())
            let middle = processorSeconds()
            c.append(try measureC())
            oursCPU.append((middle - start) / Double(count))
            cCPU.append((processorSeconds() - middle) / Double(count))
        }
        let ratio = zip(ours, c).map { $0 / $1 }.median
        return Result(
            transport: transport, size: size, ours: ours.median, c: c.median, ratio: ratio, oursCPU: oursCPU.median,
            cCPU: cCPU.median)
    }

    private func measureC() throws -> Double {
        var rate = 0.0
        let endpoint = try directory.endpoint(transport).description
        let error = baseline_throughput(endpoint, size, UInt64(count), Int32(queue), &rate)
        guard error == 0 else { throw MessagingError("run the C loop at \(endpoint)", String(cString: strerror(error))) }
        return rate
    }

    private func measureOurs() async throws -> Double {
        let endpoint = try directory.endpoint(transport)
        let bus = try ZeroMQBus()
        var limits = Limits.lossless
        limits.sendQueue = queue
        limits.receiveQueue = queue
        limits.waitingBytes = 4 << 20
        let sender = Sender(endpoint: endpoint, limits: limits, bus: bus)
        let receiver = Receiver(count: count)
        try await sender.open()
        let subscriber = try bus.subscriber(
            to: [Subscription([endpoint], topics: ["t/"])], limits: limits, overflow: .backpressure)
        async let rate = Task(executorPreference: receiver.executor) { await receiver.receive(subscriber) }.value
        try await sender.send(count, ofSize: size)
        let result = await rate
        subscriber.cancel()
        await sender.close()
        await bus.end()
        return result
    }

    private actor Sender: Seated {
        nonisolated let executor = StageExecutor("sender")
        private let endpoint: Endpoint
        private let limits: Limits
        private let bus: ZeroMQBus
        private var publisher: (any Publisher)?

        init(endpoint: Endpoint, limits: Limits, bus: ZeroMQBus) {
            self.endpoint = endpoint
            self.limits = limits
            self.bus = bus
        }

        func open() throws {
            var options = PublisherOptions()
            options.overflow = .backpressure
            options.limits = limits
            publisher = try bus.publisher(.bind, [endpoint], options: options)
        }

        func send(_ count: Int, ofSize size: Int) async throws {
            guard let publisher else { return }
            _ = try await publisher.waitForSubscribers(to: "t/", within: .seconds(10))
            let header = [UInt8](repeating: 0, count: 50)
            let bytes = [UInt8](repeating: 0, count: size)
            for _ in 0..<count {
                let payload = [Payload(bytes)]
                while try !publisher.publish("t/", header: header, payload: payload) { usleep(200) }
            }
        }

        func close() { publisher?.close() }
    }

    private actor Receiver: Seated {
        nonisolated let executor = StageExecutor("receiver")
        private let count: Int

        init(count: Int) { self.count = count }

        /// Messages a second from the first to the last.
        func receive(_ subscriber: Subscriber) async -> Double {
            var received = 0
            var start = 0.0
            for await batch in subscriber {
                for index in 0..<batch.count {
                    let message = batch[index]
                    precondition(message.header.count == 50, "a header of \(message.header.count) bytes")
                    if received == 0 { start = monotonicSeconds() }
                    received += 1
                }
                if received >= count { break }
            }
            return Double(received - 1) / (monotonicSeconds() - start)
        }
    }
}
