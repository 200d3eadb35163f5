import FilesTesting
import Logging
import Messaging
import Pipeline
import PipelineTesting
import Schema
import Synchronization
import Testing

/// Drops that a processor counts itself, without refusing a message, are logged with their cause.
struct DropCauseTests {
    /// Drops three of its own at the start.
    private struct Dropping: Processor {
        typealias Input = Echo.Input

        private var drops = Drops()

        init() { for number in 1...3 { drops.count(.wrongShape, because: "file \(number) cannot be written") } }

        mutating func process(_ input: Input, at now: Instant) throws(Refusal) -> [Outgoing] { [] }

        var telemetry: Telemetry {
            var telemetry = Telemetry()
            telemetry.drops.add(drops)
            telemetry.drops.add([.nonFinite: 2])  // without a cause
            return telemetry
        }
    }

    private final class Lines: Sendable {
        let lines = Mutex<[String]>([])
    }

    private struct Recorder: LogHandler {
        let lines: Lines
        var metadata = Logger.Metadata()
        var logLevel = Logger.Level.warning

        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { metadata[key] }
            set { metadata[key] = newValue }
        }

        func log(event: LogEvent) { lines.lines.withLock { $0.append("\(event.message)") } }
    }

    @Test func theCauseIsLoggedOnceABurstAndCountedInTheStatus() async throws {
        let bus = MemoryBus(), output = try Endpoint("ipc:///memory/output"), lines = Lines()
        var options = StageOptions()
        options.statusInterval = .milliseconds(1)
        let listener = bus.subscriber(to: [Subscription([output], topics: ["status."])], limits: .lossless, overflow: .backpressure)
        let stage = Stage(
            name: "dropping", processor: Dropping(),
            subscriptions: [Subscription([try Endpoint("ipc:///memory/sensors")], topics: [Topics.sensor.prefix], attachment: .bind)],
            publish: [output], options: options, bus: bus, epoch: 5, logger: Logger(label: "dropping") { _ in Recorder(lines: lines) })
        let running = Task { try await stage.run(stoppingOn: []) }
        var statuses = 0
        for await batch in listener {
            statuses += batch.count
            if statuses >= 5 { break }
        }
        stage.stop()
        try await running.value
        #expect(lines.lines.withLock { $0 } == ["dropped 3 × wrongShape, such as: file 3 cannot be written"])
        #expect(await stage.snapshot.drops == ["wrongShape": 3, "nonFinite": 2])
        await bus.end()
    }
}
