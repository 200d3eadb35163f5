import CBaseline
import Foundation
import Messaging

/// One message of 64 bytes at a time, there and back between two actors, each on a queue of its own.
struct RoundTrip {
    struct Result: Codable {
        let transport: Transport
        /// Seconds, the median.
        let ours: Double
        let c: Double
        /// The median of the rounds' ratios.
        let ratio: Double
    }

    let transport: Transport
    let directory: BenchDirectory

    private static let size = 64
    private static let count = 4_000

    func run(rounds: Int) async throws -> Result {
        var ours: [Double] = []
        var c: [Double] = []
        for _ in 0..<rounds {
            ours.append(try await measureOurs())
            c.append(try measureC())
        }
        let ratio = zip(ours, c).map { $0 / $1 }.median
        return Result(transport: transport, ours: ours.median, c: c.median, ratio: ratio)
    }

    private func measureC() throws -> Double {
        var seconds = [Double](repeating: 0, count: Self.count)
        let (there, back) = (try directory.endpoint(transport), try directory.endpoint(transport))
        let error = baseline_round_trips(there.description, back.description, Self.size, UInt64(Self.count), &seconds)
        guard error == 0 else { throw MessagingError("run the C loop at \(there)", String(cString: strerror(error))) }
        return seconds.median
    }

    private func measureOurs() async throws -> Double {
        let (there, back) = (try directory.endpoint(transport), try directory.endpoint(transport))
        let bus = try ZeroMQBus()
        let ping = Peer(bus, sendsTo: there, hearsFrom: back)
        let pong = Peer(bus, sendsTo: back, hearsFrom: there)
        try await ping.bind()
        try await pong.bind()
        try await ping.connect()
        try await pong.connect()
        try await ping.awaitPeer()
        try await pong.awaitPeer()
        let echoing = Task(executorPreference: pong.executor) { try await pong.echo(Self.count) }
        let seconds = try await Task(executorPreference: ping.executor) { try await ping.ask(Self.count) }.value
        try await echoing.value
        await ping.close()
        await pong.close()
        await bus.end()
        return seconds.median
    }

    private actor Peer: Seated {
        nonisolated let executor = StageExecutor("peer")
        private let bus: ZeroMQBus
        private let own: Endpoint
        private let other: Endpoint
        private var publisher: (any Publisher)?
        private var subscriber: Subscriber?
        private let header = [UInt8](repeating: 0, count: 50)
        private let payload = [Payload([UInt8](repeating: 0, count: RoundTrip.size))]

        init(_ bus: ZeroMQBus, sendsTo own: Endpoint, hearsFrom other: Endpoint) {
            self.bus = bus
            self.own = own
            self.other = other
        }

        func bind() throws { publisher = try bus.publisher(.bind, [own]) }
        func connect() throws { subscriber = try bus.subscriber(to: [Subscription([other], topics: ["t/"])]) }
        func awaitPeer() async throws { _ = try await publisher?.waitForSubscribers(to: "t/", within: .seconds(10)) }

        /// How long each answer took, seconds.
        func ask(_ count: Int) async throws -> [Double] {
            guard let publisher, var answers = subscriber?.makeAsyncIterator() else { return [] }
            var seconds: [Double] = []
            seconds.reserveCapacity(count)
            for _ in 0..<count {
                let start = monotonicSeconds()
                _ = try publisher.publish("t/", header: header, payload: payload)
                _ = await answers.next(isolation: self)
                seconds.append(monotonicSeconds() - start)
            }
            return seconds
        }

        func echo(_ count: Int) async throws {
            guard let publisher, var questions = subscriber?.makeAsyncIterator() else { return }
            for _ in 0..<count {
                guard await questions.next(isolation: self) != nil else { return }
                _ = try publisher.publish("t/", header: header, payload: payload)
            }
        }

        func close() {
            subscriber?.cancel()
            publisher?.close()
        }
    }
}
