import Foundation
import Messaging
import Pipeline
import Statistics

/// A publisher that sends at a steady rate to a live subscriber that may be slower: how old is what is read?
struct Steady {
    struct Result: Codable {
        let sent: Int
        let read: Int
        let dropped: UInt64
        /// Seconds from sending to reading.
        let p50: Double
        let p99: Double
        /// Bytes of resident memory that the second half of the run has added to the first's peak.
        let memoryGrowth: Int
    }

    let size: Int
    /// Messages a second.
    let rate: Double
    /// What reading one message costs, seconds.
    let work: Double
    let seconds: Double
    /// Messages that may wait for the reader.
    let waitingMessages: Int
    let directory: BenchDirectory

    static func fiftyThousandASecond(_ directory: BenchDirectory) -> Steady {
        Steady(size: 1 << 10, rate: 50_000, work: 0, seconds: 3, waitingMessages: 1_024, directory: directory)
    }

    /// Half a millisecond a message bears 2,000 a second; 4,000 come.
    static func twiceTheBearableLoad(_ directory: BenchDirectory) -> Steady {
        Steady(size: 64 << 10, rate: 4_000, work: 0.5e-3, seconds: 4, waitingMessages: 64, directory: directory)
    }

    func run() async throws -> Result {
        let endpoint = try directory.endpoint(.ipc)
        let bus = try ZeroMQBus()
        let sender = Sender()
        let reader = Reader(work: work)
        try await sender.open(endpoint, on: bus)
        var limits = Limits()
        limits.waitingMessages = waitingMessages
        let subscriber = try bus.subscriber(to: [Subscription([endpoint], topics: ["t/"])], limits: limits)
        let reading = Task(executorPreference: reader.executor) { await reader.read(subscriber) }
        let half = Int(rate * seconds / 2)
        try await sender.send(half, size: size, rate: rate)
        let early = ProcessMemory.peak
        try await sender.send(half, size: size, rate: rate)
        let growth = Int(ProcessMemory.peak - early)
        let dropped = subscriber.refusals[.overflow, default: 0]
        subscriber.cancel()
        await reading.value
        await sender.close()
        await bus.end()
        let ages = await reader.ages
        return Result(
            sent: 2 * half, read: ages.count, dropped: dropped, p50: ages.quantile(0.5) ?? .nan,
            p99: ages.quantile(0.99) ?? .nan, memoryGrowth: growth)
    }

    private actor Sender: Seated {
        nonisolated let executor = StageExecutor("sender")
        private var publisher: (any Publisher)?

        func open(_ endpoint: Endpoint, on bus: ZeroMQBus) throws { publisher = try bus.publisher(.bind, [endpoint]) }

        func send(_ count: Int, size: Int, rate: Double) async throws {
            guard let publisher else { return }
            _ = try await publisher.waitForSubscribers(to: "t/", within: .seconds(10))
            let bytes = [UInt8](repeating: 0, count: size)
            let start = monotonicSeconds()
            for index in 0..<count {
                let due = start + Double(index) / rate
                while monotonicSeconds() < due { if due - monotonicSeconds() > 100e-6 { usleep(50) } }
                let time = withUnsafeBytes(of: monotonicSeconds()) { [UInt8]($0) }
                _ = try publisher.publish("t/", header: time, payload: [Payload(bytes)])
            }
        }

        func close() { publisher?.close() }
    }

    private actor Reader: Seated {
        nonisolated let executor = StageExecutor("reader")
        private let work: Double
        private(set) var ages = QuantileSketch()

        init(work: Double) { self.work = work }

        func read(_ subscriber: Subscriber) async {
            for await batch in subscriber {
                for index in 0..<batch.count {
                    let sent = batch[index].header.withUnsafeBytes { $0.loadUnaligned(as: Double.self) }
                    ages.add(monotonicSeconds() - sent)
                    let end = monotonicSeconds() + work
                    while monotonicSeconds() < end {}
                }
            }
        }
    }
}
