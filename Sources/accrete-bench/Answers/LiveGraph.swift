import Configuration
import Foundation
import Messaging
import Pipeline
import Schema
import Synchronization
import Wiring

/// When what was waited for has come, in monotonic seconds.
struct Seen {
    var spoken: Double?, begun: Double?, answered: Double?
    var predicted: [String: Double] = [:]
    /// Stages that have said that they run.
    var stages: Set<String> = []

    /// What is waited for next; stages run on.
    mutating func reset() { self = Seen(stages: stages) }
}

/// A graph that runs, with a publisher and a subscriber beside it.
actor LiveGraph {
    nonisolated let seen = Mutex(Seen())
    private let publisher: any Publisher
    private let subscriber: Subscriber
    private var outbox = Outbox(source: "bench", epoch: UInt64(WallClock().now.nanoseconds), clock: WallClock())
    /// When the sound ends that was sent, in nanoseconds since 1970; 0 before any.
    private var time: Int64 = 0
    private static let session = "bench"
    private let stages: Set<String>

    init(_ settings: GraphSettings, stages: [String]) throws {
        self.stages = Set(stages)
        let bus = try ZeroMQBus()
        publisher = try bus.publisher(.connect, try settings.sensors([:]))
        subscriber = try bus.subscriber(
            to: [
                Subscription(
                    try settings.allEndpoints([:]),
                    topics: [Topics.prediction.prefix, Topics.answer.prefix, Topics.status.prefix, "sample.text/"])
            ], limits: settings.messaging)
    }

    nonisolated func follow() async {
        for await batch in subscriber {
            let now = monotonicSeconds()
            for index in 0..<batch.count { take(batch[index], at: now) }
        }
    }

    func end() {
        subscriber.cancel()
        publisher.close()
    }

    private nonisolated func take(_ message: WireMessage, at now: Double) {
        // Messages of the graph's own stages can be decoded.
        if Topics.prediction.components(of: message.topic) != nil, let prediction: Prediction = try? message.decode() {
            seen.withLock { $0.predicted[prediction.moment] = now }
        } else if Topics.status.components(of: message.topic) != nil, let status: Status = try? message.decode() {
            seen.withLock { _ = $0.stages.insert(status.stage) }
        } else if Topics.answer.components(of: message.topic) != nil, let answer: Answer = try? message.decode() {
            seen.withLock { seen in
                if !answer.text.isEmpty { seen.begun = seen.begun ?? now }
                if !answer.end.isEmpty {
                    seen.answered = now
                    seen.begun = seen.begun ?? now
                }
            }
        } else if Topics.sample.components(of: message.topic) != nil, let sample: Sample = try? message.decode(),
            case .reading? = sample.content
        {
            seen.withLock { $0.spoken = now }
        }
    }

    /// Shows a picture that asks for a label; the moment's id.
    func show(_ bytes: [UInt8], _ format: String) async throws -> String {
        let time = WallClock().now.nanoseconds
        let reading = SensorReading.with {
            $0.stamp = .with { ($0.source, $0.time, $0.clock) = ("camera", time, "unix") }
            ($0.session, $0.modality, $0.format, $0.ends) = (Self.session, "image", format, .labelRequest)
        }
        try publish(Outgoing(reading, on: Topics.sensor("image", "camera"), payload: [Payload(bytes)]))
        return "\(Self.session)/\(time)"
    }

    /// Sends sound that has just been recorded, when that much time has passed since the sound before it.
    func send(_ samples: [Float], rate: Int) async throws {
        let length = Int64(Double(samples.count) / Double(rate) * 1e9)
        let begin = time == 0 ? WallClock().now.nanoseconds : time
        time = begin + length
        let wait = begin + length - WallClock().now.nanoseconds
        if wait > 0 { try await Task.sleep(for: .nanoseconds(wait)) }
        let reading = SensorReading.with {
            $0.stamp = .with { ($0.source, $0.time, $0.clock) = ("microphone", begin, "unix") }
            ($0.session, $0.modality, $0.format) = (Self.session, "audio", "audio/x-f32le")
            ($0.sampleRate, $0.channels) = (UInt32(rate), 1)
        }
        try publish(Outgoing(reading, on: Topics.sensor("audio", "microphone"), payload: [Payload(samples)]))
    }

    private func publish(_ message: Outgoing) throws {
        try publisher.service()
        try outbox.append(message)
        try outbox.flush(to: publisher)
    }

    /// A text that ends a moment is predicted on once the first model is there; but a stage that still reads its network's file has not
    /// subscribed yet and would miss what comes, so all stages are waited for.
    func waitUntilItRuns() async throws {
        let deadline = monotonicSeconds() + 120
        var isReady = false
        while !isReady {
            guard monotonicSeconds() < deadline else { throw GraphBenchFailure(description: "the graph does not run, or does not predict") }
            let reading = SensorReading.with {
                $0.stamp = .with { ($0.source, $0.time, $0.clock) = ("keyboard", WallClock().now.nanoseconds, "unix") }
                ($0.session, $0.modality, $0.format, $0.ends) = ("warm-up", "text", "text/utf-8", .explicit)
            }
            try publish(Outgoing(reading, on: Topics.sensor("text", "keyboard"), payload: [Payload(Array("hello".utf8))]))
            try await Task.sleep(for: .milliseconds(500))
            isReady = seen.withLock { !$0.predicted.isEmpty && stages.isSubset(of: $0.stages) }
        }
        try await Task.sleep(for: .seconds(2))
        seen.withLock { $0.reset() }
    }

    /// Processor time of the stages, which are this process's children: user and system, of those that run.
    nonisolated var processorSeconds: Double {
        let own = getpid(), ticks = Double(sysconf(Int32(_SC_CLK_TCK)))
        let names = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
        return names.reduce(0) { sum, name in
            guard Int(name) != nil, let text = FileManager.default.contents(atPath: "/proc/\(name)/stat") else { return sum }
            // After the name in brackets: state, parent, …; user time is the 12th of them, system time the 13th.
            guard let rest = String(decoding: text, as: UTF8.self).split(separator: ")").last?.split(separator: " "), rest.count > 12,
                Int32(rest[1]) == own, let user = Double(rest[11]), let system = Double(rest[12])
            else { return sum }
            return sum + (user + system) / ticks
        }
    }
}
