import FilesTesting
import Foundation
import Messaging
import Model
import Pipeline
import PipelineTesting
import Safetensors
import Schema
import Tensors
import Testing
@testable import Configuration
@testable import Learn
@testable import Updates

/// A subscriber in Python, `deploy/examples/follow_updates.py`, follows a learner over ZeroMQ.
private enum Python {
    static let command = ProcessInfo.processInfo.environment["ACCRETE_PYTHON"] ?? "python3"
    static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
    static let lacksNothing = (try? run(["-c", "import zmq, google.protobuf, zstandard, safetensors, cryptography"]))?.status == 0

    static func start(_ arguments: [String]) throws -> (process: Process, output: Pipe) {
        let process = Process(), output = Pipe()
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = [command] + arguments
        process.currentDirectoryURL = root.appending(path: "deploy/examples")
        (process.standardOutput, process.standardError) = (output, FileHandle.standardError)
        try process.run()
        return (process, output)
    }

    static func run(_ arguments: [String]) throws -> (status: Int32, output: String) {
        let (process, output) = try start(arguments)
        let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        return (process.terminationStatus, text)
    }
}

struct UpdateSubscriberInPythonTests {
    /// Publishes what fuse would.
    private struct Moments {
        let publisher: any Publisher
        var outbox = Outbox(source: "fuse", epoch: 1, clock: MonotonicClock())
        var ordinal: UInt64 = 0

        mutating func send(last: Bool = false) throws {
            ordinal += 1
            var event = MomentEvent()
            if last {
                event.end = .with { $0.moments = ordinal - 1 }
                try outbox.append(Outgoing(event, on: try Topics.moment(Topics.endOfMoments)))
            } else {
                let ordinal = ordinal
                event.moment = .with {
                    ($0.ordinal, $0.session, $0.id) = (ordinal, "a", "a/\(ordinal)")
                    $0.senses = [
                        .with {
                            $0.modality = "text"; $0.present = true; $0.rows = 2; $0.columns = 1; $0.validity = 1
                        }
                    ]
                }
                let words = Payload([104, Float(97 + ordinal % 20)] as [Float])
                try outbox.append(Outgoing(event, on: try Topics.moment("a"), payload: [words]))
            }
            try outbox.flush(to: publisher)
        }
    }

    @Test(
        .enabled(if: nothingMayBeMissing || Python.lacksNothing, "no Python with pyzmq, zstandard and safetensors"),
        .timeLimit(.minutes(3)),
        arguments: [UpdateCoding.exact, .int8])
    func followsByDeltasFromAnyVersionAndEndsWithTheLearnersState(_ coding: UpdateCoding) async throws {
        let folder = Folder(), root = UpdateKeys(folder.path("root"))
        try root.makeRoot()
        try root.signKey(into: UpdateKeys(folder.path("keys")), name: "learner", seconds: 3_600, at: WallClock().now.nanoseconds)
        var settings = GraphSettings()
        (settings.model.width, settings.model.heads, settings.model.layers) = (8, 2, 1)
        (settings.model.text.length, settings.model.text.buckets, settings.model.classes) = (8, 16, 4)
        (settings.learner.replayed, settings.learner.languageRows, settings.learner.memory) = (1, 1, 8)
        (settings.learn.publishEvery, settings.learn.triggers, settings.learn.publishInterval) = (1, [], 0.05)
        (settings.learn.updates.coding, settings.learn.updates.pieceBytes) = (coding, 16_384)
        settings.security.updates = folder.path("keys")
        let endpoint = { (name: String) in try Endpoint("ipc://\(folder.path(name))") }
        let stage = Stage(
            name: "learn", processor: try LearnProcessor(settings, clock: MonotonicClock()),
            subscriptions: [
                Subscription([try endpoint("moments")], topics: [Topics.moment.prefix]),
                Subscription([try endpoint("questions")], topics: [], attachment: .answer, access: .subscribe),
            ], publish: [try endpoint("updates")], options: settings.stageOptions)
        let bus = try ZeroMQBus()
        var moments = Moments(publisher: try bus.publisher(.bind, [try endpoint("moments")]))
        let work = Task { try await stage.run(stoppingOn: []) }
        _ = try await moments.publisher.waitForSubscribers(to: Topics.moment.prefix, count: 1, within: .seconds(20))
        for _ in 0..<20 {  // what nobody was there to receive
            try moments.send()
            try await Task.sleep(for: .milliseconds(20))
        }
        let (process, output) = try Python.start([
            "follow_updates.py", "--updates", "ipc://\(folder.path("updates"))", "--questions", "ipc://\(folder.path("questions"))",
            "--roots", folder.path("keys/root.pub"), "--seconds", "60",
        ])
        for index in 0..<1_000 where process.isRunning {
            // Until the learner has heard of two versions, then the end.
            let isHeard = await stage.snapshot.gauges["updatesAdopted"] ?? 0 >= 4
            try moments.send(last: isHeard)
            if isHeard { break }
            try await Task.sleep(for: .milliseconds(index < 900 ? 50 : 1))
        }
        let printed = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        try await Task.sleep(for: .milliseconds(300))
        let gauges = await stage.snapshot.gauges
        stage.stop()
        try await work.value
        let lines = printed.split(separator: "\n")
        #expect(process.terminationStatus == 0 && lines.last?.hasSuffix("refused: nothing") == true, "\(printed)")
        #expect(lines.first?.contains(": whole") == true && lines.dropFirst().dropLast().contains { $0.contains(": delta") }, "\(printed)")
        #expect(gauges["updatesRefused"] == 0 && gauges["updateSubscribers"] == 1)
        #expect(gauges["updatesAdopted"] ?? 0 >= 4 && gauges["updatePieceBytes"] ?? 0 > 0)
    }

    /// Deltas that must not be applied, to the same numbers in both languages.
    @Test(.enabled(if: nothingMayBeMissing || Python.lacksNothing, "no Python with pyzmq, zstandard and safetensors"))
    func pythonAppliesTheSameDeltasAndRefusesTheSame() throws {
        let folder = Folder(), shapes: [ModelState.Shape] = [.init("a", [40, 10]), .init("b", [7])]
        let before = (0..<407).map { Float($0) / 100 - 2 }, after = before.map { $0 < 1 ? $0 + 0.25 * $0 * $0 : $0 }
        let state = before.withUnsafeBufferPointer { ModelState(shapes, $0) }
        try Data(state.payload.withUnsafeBytes { Array($0) }).write(to: URL(filePath: folder.path("state")))
        for coding in [UpdateCoding.exact, .float16, .int8] {
            let delta = try after.withUnsafeBufferPointer { try ParameterDelta.encode(state, to: $0, coding) }
            try Data(delta.payload.withUnsafeBytes { Array($0) }).write(to: URL(filePath: folder.path("delta")))
            let program = """
                import clients, pathlib, sys
                from safetensors.numpy import load
                from accrete.updates import Refused, apply_delta, state_digest
                folder, size = pathlib.Path(sys.argv[1]), int(sys.argv[2])
                tensors, delta = load((folder / "state").read_bytes()), (folder / "delta").read_bytes()
                print(state_digest(tensors).hex(), state_digest(apply_delta(delta, size, tensors)).hex())
                for payload, plain in [(delta, size - 1), (delta, size + 1), (delta, 1 << 40), (delta[:-1], size), (b"", 0)]:
                    try:
                        apply_delta(payload, plain, tensors)
                        print("accepted")
                    except Refused as problem:
                        print(str(problem).split(":")[0])
                """
            let (status, output) = try Python.run(["-c", program, folder.path, "\(delta.plainBytes)"])
            let lines = output.split(separator: "\n").map(String.init)
            let hex = { (digest: Data) in digest.map { String(format: "%02x", $0) }.joined() }
            #expect(status == 0 && lines.first == "\(hex(state.digest)) \(hex(delta.state.digest))", "\(coding): \(output)")
            #expect(Array(lines.dropFirst()) == ["undecodable", "undecodable", "tooLarge", "undecodable", "undecodable"], "\(output)")
        }
    }
}
