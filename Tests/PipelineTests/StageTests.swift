import FilesTesting
import Foundation
import Logging
import Messaging
import Pipeline
import PipelineTesting
import Schema
import Testing

/// A stage that echoes, with a publisher and a subscriber, on one bus.
private struct Scene {
    let bus: any Bus
    let sensors: Endpoint
    let features: Endpoint
    let sender: any Publisher
    let listener: Subscriber
    let stage: Stage<Echo>

    init(_ bus: any Bus, sensors: Endpoint, features: Endpoint, stageBus: any Bus, options: StageOptions) throws {
        self.bus = bus
        self.sensors = sensors
        self.features = features
        var publishing = PublisherOptions()
        publishing.overflow = options.mode.overflow
        publishing.limits = options.limits
        publishing.limits.parts += 1
        sender = try bus.publisher(.connect, [sensors], options: publishing)
        listener = try bus.subscriber(
            to: [Subscription([features], topics: ["feature.", "status."])], limits: .lossless, overflow: .backpressure)
        stage = Stage(
            name: "echo", processor: Echo(),
            subscriptions: [Subscription([sensors], topics: [Topics.sensor.prefix], attachment: .bind)],
            publish: [features], options: options, bus: stageBus, epoch: 5,
            logger: Logger(label: "echo") { _ in SwiftLogNoOpLogHandler() })
    }

    static func inMemory(_ options: StageOptions = StageOptions(), faults: Faults = Faults()) throws -> Scene {
        let bus = MemoryBus(faults: faults)
        return try Scene(
            bus, sensors: Endpoint("ipc:///memory/sensors"), features: Endpoint("ipc:///memory/features"), stageBus: bus,
            options: options)
    }

    /// Sends a vector once the stage listens.
    func send(_ values: [Float], sequence: UInt64, ends: CutKind = .none, change: (inout SensorReading) -> Void = { _ in })
        async throws
    {
        var reading = SensorReading()
        reading.stamp = Stamp(from: "imu", sequence: sequence)
        reading.ends = ends
        change(&reading)
        try await send(header: reading.serializedBytes(), payload: [Payload(values)])
    }

    func send(header: [UInt8], payload: [Payload]) async throws {
        _ = try await sender.waitForSubscribers(to: "sensor.vector.imu/", within: .seconds(30))
        while try !sender.publish("sensor.vector.imu/", header: header, payload: payload) {
            try await Task.sleep(for: .milliseconds(1))
        }
    }

    func start(stoppingOn signals: [Int32] = []) -> Task<Void, any Error> {
        Task { [stage] in try await stage.run(stoppingOn: signals) }
    }

    func end() async {
        sender.close()
        listener.cancel()
        await bus.end()
    }
}

extension Subscriber {
    /// The stage's statuses up to the last.
    func everythingSaid() async throws -> (frames: [FeatureFrame], statuses: [Status]) {
        var frames: [FeatureFrame] = []
        var statuses: [Status] = []
        listening: for await batch in self {
            for index in 0..<batch.count {
                if batch[index].topic == "status.echo/" {
                    statuses.append(try batch[index].decode())
                    if statuses.last?.last == true { break listening }
                } else {
                    frames.append(try batch[index].decode())
                }
            }
        }
        return (frames, statuses)
    }
}

@Suite(.timeLimit(.minutes(1)))
struct StageTests {
    private let folder = Folder()

    @Test func whatIsProcessedIsStampedAndSentInOrder() async throws {
        let scene = try Scene.inMemory()
        let running = scene.start()
        for sequence: UInt64 in 1...100 { try await scene.send([1, 2], sequence: sequence, ends: sequence == 100 ? .end : .none) }
        try await running.value
        let (frames, statuses) = try await scene.listener.everythingSaid()
        #expect(frames.dropLast().map(\.frame.sequence) == Array(1...100))
        #expect(frames.map(\.stamp.sequence) == Array(1...101))
        #expect(frames.last?.boundary.last == true)
        #expect(frames.allSatisfy { $0.stamp.source == "echo" && $0.stamp.epoch == 5 && $0.stamp.clock == "monotonic" })
        let status = try #require(statuses.last)
        #expect(status.stage == "echo")
        #expect(status.received == ["sensor": 100])
        #expect(status.sent["feature"] == 101)
        #expect(status.drops.isEmpty)
        #expect(status.gaps.isEmpty)
        #expect(status.gauges == ["seen": 100])
        #expect(status.modelVersion == 7)
        #expect(status.latency["process"]?.count == 100)
        #expect(status.peakMemory > 1 << 20)
        await scene.end()
    }

    @Test func badInputIsCountedAndNothingElseIsAffected() async throws {
        let scene = try Scene.inMemory()
        let running = scene.start()
        try await scene.send([1], sequence: 10)
        try await scene.send(header: [0xFF, 0xFF], payload: [])
        try await scene.send(header: [], payload: [])
        try await scene.send([1], sequence: 11) { $0.stamp.schemaVersion = 2 }
        try await scene.send([-1], sequence: 11)
        try await scene.send([.nan], sequence: 12)
        try await scene.send([1], sequence: 9)
        try await scene.send([1], sequence: 13)
        try await scene.send([1], sequence: 15) { $0.stamp.epoch = 0 }
        try await scene.send([1], sequence: 20, ends: .end)
        try await running.value
        let (frames, statuses) = try await scene.listener.everythingSaid()
        #expect(frames.dropLast().map(\.frame.sequence) == [10, 13, 20])
        let status = try #require(statuses.last)
        #expect(
            status.drops == [
                "undecodable": 1, "unstamped": 1, "schemaVersion": 1, "wrongShape": 1, "nonFinite": 1, "sequenceRunsBack": 1,
                "staleEpoch": 1,
            ])
        #expect(status.gaps == ["sensor.vector.imu/": 6])
        await scene.end()
    }

    @Test func aMessageThatKilledTheStageIsPassedOverAndEveryOtherIsTaken() async throws {
        var options = StageOptions()
        options.newestMessage = try NewestMessage(
            folder.path("echo.newest"), passingOver: [PassedOver(topic: "sensor.vector.imu/", source: "imu", epoch: 1, sequence: 2)])
        let scene = try Scene.inMemory(options)
        let running = scene.start()
        for sequence: UInt64 in 1...4 { try await scene.send([1], sequence: sequence, ends: sequence == 4 ? .end : .none) }
        try await running.value
        let (frames, statuses) = try await scene.listener.everythingSaid()
        #expect(frames.dropLast().map(\.frame.sequence) == [1, 3, 4])
        #expect(statuses.last?.drops == ["passedOver": 1])
        // What a supervisor would read if the stage had crashed at the last message.
        #expect(NewestMessage.read(of: "echo", in: folder.path)?.sequence == 4)
        await scene.end()
    }

    /// No state is kept under an invalid topic, and it is not logged unescaped.
    @Test func namesThatAreNoTopicsAreRefusedBeforeAnythingIsKept() async throws {
        let scene = try Scene.inMemory()
        let running = scene.start()
        var reading = SensorReading()
        for (sequence, topic) in [
            "sensor.", "sensor.vector/", "sensor.a b.c/", "sensor.vector.\n\u{1B}[2J/", "sensor.vector.imu", "sensor/",
        ].enumerated() {
            reading.stamp = Stamp(from: "imu", sequence: UInt64(sequence) + 4)
            let header: [UInt8] = try reading.serializedBytes()
            _ = try await scene.sender.waitForSubscribers(to: "sensor.vector.imu/", within: .seconds(30))
            _ = try scene.sender.publish(topic, header: header, payload: [Payload([1] as [Float])])
        }
        try await scene.send([1], sequence: 1, ends: .end)
        try await running.value
        let status = try #require(try await scene.listener.everythingSaid().statuses.last)
        #expect(status.drops == ["unknownTopic": 5])
        #expect(status.received == ["sensor": 1])
        #expect(status.gaps.isEmpty)
        await scene.end()
    }

    @Test func aFaultyBusIsSeenThrough() async throws {
        var faults = Faults()
        faults.drop = 0.1
        faults.duplicate = 0.1
        faults.delay = 0.05
        let scene = try Scene.inMemory(faults: faults)
        let running = scene.start()
        for sequence: UInt64 in 1...1_000 { try await scene.send([1], sequence: sequence) }
        for sequence: UInt64 in 1_001...1_010 { try await scene.send([1], sequence: sequence, ends: .end) }
        try await running.value
        // The stage's own messages are subject to the same faults: only its final state is certain.
        let seen = await scene.stage.snapshot.received["sensor", default: 0]
        let drops = await scene.stage.snapshot.drops
        let gaps = await scene.stage.snapshot.gaps["sensor.vector.imu/", default: 0]
        #expect(seen > 900)
        #expect(drops.keys.sorted() == ["sequenceRunsBack"])
        #expect(gaps > 50)
        let processed = await scene.stage.snapshot.gauges["seen", default: 0]
        #expect(UInt64(processed) + gaps <= 1_010)
        await scene.end()
    }

    @Test func itTicksAndPublishesItsStatusWithoutInput() async throws {
        var options = StageOptions()
        options.tickInterval = .milliseconds(1)
        options.statusInterval = .milliseconds(5)
        let scene = try Scene.inMemory(options)
        let running = scene.start()
        var statuses = 0
        for await batch in scene.listener {
            statuses += batch.count
            if statuses >= 3 { break }
        }
        scene.stage.stop()
        try await running.value
        #expect(await scene.stage.snapshot.received.isEmpty)
        await scene.end()
    }

    @Test func stoppingEndsItWithAFinalStatus() async throws {
        let scene = try Scene.inMemory()
        let running = scene.start()
        try await scene.send([1], sequence: 1)
        scene.stage.stop()
        try await running.value
        #expect(try await scene.listener.everythingSaid().statuses.last?.last == true)

        let cancelled = try Scene.inMemory()
        let task = cancelled.start()
        task.cancel()
        try await task.value
        #expect(try await cancelled.listener.everythingSaid().statuses.last?.last == true)
        await scene.end()
        await cancelled.end()
    }

    @Test func aSignalStopsIt() async throws {
        let scene = try Scene.inMemory()
        let running = scene.start(stoppingOn: [SIGUSR1])
        try await scene.send([1], sequence: 1)
        kill(getpid(), SIGUSR1)
        try await running.value
        #expect(try await scene.listener.everythingSaid().statuses.last?.last == true)
        await scene.end()
    }

    @Test func inLockstepNothingIsLostHoweverSmallTheQueues() async throws {
        var options = StageOptions(mode: .lockstep)
        options.limits.waitingMessages = 4
        options.awaitedSubscribers = ["feature.vector/": 1]
        let path = folder.path("s")
        let bus = try ZeroMQBus()
        let scene = try Scene(
            bus, sensors: Endpoint("ipc://\(path)/sensors"), features: Endpoint("ipc://\(path)/features"),
            stageBus: ZeroMQBus(), options: options)
        let running = scene.start()
        let said = Task { [listener = scene.listener] in try await listener.everythingSaid() }
        for sequence: UInt64 in 1...5_000 {
            try await scene.send([1, 2, 3], sequence: sequence, ends: sequence == 5_000 ? .end : .none)
        }
        try await running.value
        let (frames, statuses) = try await said.value
        #expect(frames.dropLast().map(\.frame.sequence) == Array(1...5_000))
        #expect(statuses.last?.drops.isEmpty == true)
        #expect(statuses.last?.gaps.isEmpty == true)
        await scene.end()
    }

    @Test func aStageThatCannotStartReportsWhy() async throws {
        let scene = try Scene.inMemory()
        let badName = Stage(
            name: "extract.image", processor: Echo(), subscriptions: [], publish: [scene.features], bus: scene.bus)
        await #expect(throws: TopicError.self) { try await badName.run(stoppingOn: []) }

        var options = StageOptions(mode: .lockstep)
        options.awaitedSubscribers = ["feature.audio/": 2]
        options.patience = .zero
        let lonely = Stage(
            name: "lonely", processor: Echo(), subscriptions: [], publish: [scene.features], options: options, bus: scene.bus)
        let error = await #expect(throws: MessagingError.self) { try await lonely.run(stoppingOn: []) }
        #expect(error?.description == "cannot begin in lockstep: 1 of 2 subscribers have come to feature.audio/")
        await scene.end()
    }
}
