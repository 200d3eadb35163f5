import FilesTesting
import Foundation
import Messaging
import PipelineTesting
import Schema
import Testing

/// A Python that has what `deploy/clients/python/requirements.txt` asks for: `ACCRETE_PYTHON`, or `python3`.
private enum Python {
    static let examples = URL(filePath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        .appending(path: "deploy/examples")
    static let command = ProcessInfo.processInfo.environment["ACCRETE_PYTHON"] ?? "python3"

    static let isThere: Bool = {
        guard let process = try? start("-c", "import zmq, google.protobuf, safetensors.numpy") else { return false }
        process.process.waitUntilExit()
        return process.process.terminationStatus == 0
    }()

    static func start(_ arguments: String...) throws -> (process: Process, output: Pipe) {
        let process = Process()
        let output = Pipe()
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = [command] + arguments
        process.currentDirectoryURL = examples
        process.standardOutput = output
        process.standardError = Pipe()
        try process.run()
        return (process, output)
    }
}

@Suite(.enabled(if: nothingMayBeMissing || Python.isThere, "no Python with pyzmq, protobuf and safetensors"), .timeLimit(.minutes(2)))
struct PythonClientTests {
    @Test func thePublisherIsUnderstood() async throws {
        let bus = try ZeroMQBus()
        let subscriber = try bus.subscriber(
            to: [Subscription([Endpoint("tcp://127.0.0.1:*")], topics: ["cut.", "sensor."], attachment: .bind)])
        let client = try Python.start("publish.py", subscriber.endpoints[0].description)
        var readings: [SensorReading] = []
        for await batch in subscriber {
            for index in 0..<batch.count {
                let reading: SensorReading = try batch[index].decode()
                #expect(Topics.sensor.components(of: batch[index].topic) == [reading.modality, reading.stamp.source])
                #expect(batch[index].payload.count == 1)
                readings.append(reading)
            }
            if readings.count >= 15 { break }
        }
        client.process.waitUntilExit()
        #expect(client.process.terminationStatus == 0)
        #expect(readings.map(\.modality) == (1...5).flatMap { _ in ["image", "vector", "text"] })
        #expect(readings.filter { $0.modality == "text" }.allSatisfy { $0.ends == .utteranceEnd })
        #expect(readings.filter { $0.modality == "image" }.map(\.stamp.sequence) == [1, 2, 3, 4, 5])
        subscriber.cancel()
        await bus.end()
    }

    @Test func theFramesOfTheContractAreWhatAnybodyPrints() throws {
        let printer = try Python.start("show_frames.py")
        let printed = String(decoding: printer.output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        printer.process.waitUntilExit()
        let frames = printed.split(separator: "\n").map { line in
            line.split(separator: " ").dropFirst().compactMap { UInt8($0, radix: 16) }
        }
        #expect(try frames == ContractTests.workedMessage())
    }

    @Test func theSubscriberOpensAnUpdateAndSeesABrokenOne() async throws {
        let bus = try ZeroMQBus()
        var options = PublisherOptions()
        options.keepsLast = ["model.update/"]
        let publisher = try bus.publisher(.bind, [Endpoint("tcp://127.0.0.1:*")], options: options)
        let header = #"{"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"# + "  "
        let file =
            withUnsafeBytes(of: UInt64(header.utf8.count).littleEndian) { [UInt8]($0) } + Array(header.utf8)
            + [0, 0, 128, 63, 0, 0, 0, 64]
        var update = ModelUpdate()
        update.stamp = Stamp(from: "learn", sequence: 1)
        update.version = 4
        update.parent = 3
        update.last = true
        update.sha256 = Data(try sha256(file))
        #expect(try publisher.publish("model.update/", header: update.serializedBytes(), payload: [Payload(file)]))

        let good = try await listen(to: publisher)
        #expect(good.status == 0)
        #expect(good.output == "version 4 from 3: 1 tensors, 2 numbers, \(file.count) bytes, loss 0.0000\n")

        update.stamp.sequence = 2
        update.sha256[0] ^= 1
        #expect(try publisher.publish("model.update/", header: update.serializedBytes(), payload: [Payload(file)]))
        #expect(try await listen(to: publisher).status == 1)
        publisher.close()
        await bus.end()
    }

    /// What the subscriber prints and ends with; the kept update reaches it when it subscribes.
    private func listen(to publisher: any Publisher) async throws -> (status: Int32, output: String) {
        let client = try Python.start("subscribe.py", publisher.endpoints[0].description)
        while client.process.isRunning {
            try publisher.service()
            try await Task.sleep(for: .milliseconds(5))
        }
        return (client.process.terminationStatus, String(decoding: client.output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self))
    }

    private func sha256(_ bytes: [UInt8]) throws -> [UInt8] {
        let digest = try Python.start(
            "-c", "import hashlib; print(list(hashlib.sha256(bytes(\(bytes.map(Int.init)))).digest()))")
        digest.process.waitUntilExit()
        return try JSONDecoder().decode([UInt8].self, from: digest.output.fileHandleForReading.readDataToEndOfFile())
    }
}
