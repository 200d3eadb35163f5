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

    static let recogniser = URL(filePath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        .appending(path: "models/pp-ocrv4-recognition.onnx").path

    /// Whether a frontend can read text: ONNX Runtime, Pillow and the recogniser.
    static let reads: Bool = {
        guard FileManager.default.fileExists(atPath: recogniser), let process = try? start("-c", "import onnxruntime, numpy, PIL") else {
            return false
        }
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

    /// Letters of 5 × 7 pixels, five times as large.
    private func picture(of text: String) -> (width: Int, height: Int, pixels: [UInt8]) {
        let letters: [Character: [UInt8]] = [
            "E": [31, 16, 16, 30, 16, 16, 31], "X": [17, 17, 10, 4, 10, 17, 17], "I": [14, 4, 4, 4, 4, 4, 14], "T": [31, 4, 4, 4, 4, 4, 4],
        ]
        let (side, width, height) = (5, (text.count * 6 + 3) * 5, 48)
        var pixels = [UInt8](repeating: 255, count: width * height * 3)
        for (place, letter) in text.enumerated() {
            for y in 0..<7 * side {
                for x in 0..<5 * side where (letters[letter]?[y / side] ?? 0) >> (4 - x / side) & 1 == 1 {
                    let pixel = ((6 + y) * width + (2 + place * 6) * side + x) * 3
                    pixels.replaceSubrange(pixel..<pixel + 3, with: [0, 0, 0])
                }
            }
        }
        return (width, height, pixels)
    }

    /// Samples go to a frontend in Python, which repeats boundaries; what it publishes is what fuse takes.
    @Test(.enabled(if: nothingMayBeMissing || Python.reads, "no ONNX Runtime, Pillow, or models/pp-ocrv4-recognition.onnx"))
    func aFrontendOfOnesOwnReadsTheTextOfAPicture() async throws {
        let bus = try ZeroMQBus(), folder = Folder()
        let publisher = try bus.publisher(.bind, [Endpoint("tcp://127.0.0.1:*")], options: PublisherOptions())
        let features = try bus.subscriber(to: [Subscription([Endpoint("ipc://\(folder.path("features"))")], topics: ["feature.image/"])])
        let client = try Python.start(
            "read_signs.py", "--samples", publisher.endpoints[0].description, "--features", "ipc://\(folder.path("features"))", "--model",
            Python.recogniser, "--count", "3")
        defer { client.process.terminate() }
        #expect(try await publisher.waitForSubscribers(to: "sample.image/", within: .seconds(60)))
        func send(_ sample: Sample, _ sequence: UInt64, _ payload: [Payload]) throws {
            var sample = sample
            sample.arrived = Int64(sequence)
            sample.stamp = Stamp(from: "ingest", sequence: sequence)
            _ = try publisher.publish("sample.image/", header: sample.serializedBytes(), payload: payload)
        }
        let exit = picture(of: "EXIT"), text = picture(of: "TEXT")
        func sample(_ picture: (width: Int, height: Int, pixels: [UInt8]), of session: String) -> Sample {
            .with {
                $0.timeline = 5
                $0.reading.stamp = Stamp(from: "camera", sequence: 8)
                ($0.reading.session, $0.reading.modality, $0.reading.format) = (session, "image", "image/x-rgb8")
                ($0.reading.width, $0.reading.height) = (UInt32(picture.width), UInt32(picture.height))
            }
        }
        try send(sample(exit, of: "hall"), 1, [Payload(exit.pixels)])
        try send(.with { $0.boundary.ordinal = 7 }, 2, [])
        try send(sample(exit, of: "hall"), 3, [Payload([1, 2, 3] as [UInt8])])  // is no picture
        try send(sample(text, of: "hall"), 4, [Payload(text.pixels)])
        var found: [(FeatureFrame, [UInt8])] = []
        for await batch in features {
            for index in 0..<batch.count {
                found.append((try batch[index].decode(), batch[index].payload.first.map { Array($0) } ?? []))
            }
            if found.count >= 3 { break }
        }
        client.process.waitUntilExit()
        #expect(client.process.terminationStatus == 0)
        let printed = String(decoding: client.output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        #expect(printed == "camera: 'EXIT'\ncamera: 'TEXT'\n3 messages, 1 readings that were no pictures\n")
        #expect(found.map(\.0.stamp.sequence) == [1, 2, 3] && found.map(\.0.arrived) == [1, 2, 4])
        #expect(found[1].0.boundary.ordinal == 7 && found[1].1.isEmpty)
        for (place, word) in [(0, "EXIT"), (2, "TEXT")] {
            let frame = found[place].0.frame
            #expect(frame.session == "hall" && frame.source == "camera" && frame.sequence == 8 && frame.timeline == 5)
            #expect(frame.rows == 40 && frame.columns == 96 && frame.validity > 0.9 && found[place].1.count == 40 * 96 * 4)
            let numbers = stride(from: 0, to: found[place].1.count, by: 4).map { byte in
                found[place].1.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: byte, as: Float.self) }
            }
            let best = (0..<40).map { row in (0..<96).max { numbers[row * 96 + $0] < numbers[row * 96 + $1] } ?? 0 }
            let letters = best.enumerated().filter { $0.element > 0 && ($0.offset == 0 || best[$0.offset - 1] != $0.element) }
            #expect(String(decoding: letters.map { UInt8($0.element + 31) }, as: UTF8.self) == word)
        }
        features.cancel()
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
