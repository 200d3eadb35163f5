import FilesTesting
import Foundation
import Journal
import Messaging
import Pipeline
import Schema
import Testing
@testable import Configuration
@testable import Ingest

private let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

/// The clients that publish and are acknowledged, each a program of its own.
private enum Client: String, CaseIterable, Sendable {
    case python, cpp

    static let pythonCommand = ProcessInfo.processInfo.environment["ACCRETE_PYTHON"] ?? "python3"

    /// Why it cannot be run here; nil where it can.
    var lacks: String? {
        switch self {
        case .python: Self.succeeds([Self.pythonCommand, "-c", "import zmq, google.protobuf"]) ? nil : "pyzmq and protobuf"
        case .cpp:
            ["/usr/include/zmq.hpp", "/usr/include/google/protobuf/message.h", "/usr/bin/protoc", "/usr/bin/c++"]
                .first { !FileManager.default.fileExists(atPath: $0) }
        }
    }

    /// The command that publishes; the client in C++ is compiled into a directory first.
    func command(in folder: Folder) throws -> [String] {
        let clients = root.appending(path: "deploy/clients").path
        guard self == .cpp else { return [Self.pythonCommand, root.appending(path: "deploy/examples/publish_acknowledged.py").path] }
        let messages = ["stamp", "consent", "sensor", "feature", "journal"], schemas = root.appending(path: "schemas").path
        try #require(
            Self.succeeds(
                ["protoc", "--proto_path=\(schemas)", "--cpp_out=\(folder.path)"] + messages.map { "\(schemas)/accrete/v1/\($0).proto" }))
        try #require(
            Self.succeeds(
                ["c++", "-std=c++17", "-Wall", "-Werror", "-I\(folder.path)", "\(clients)/cpp/publish_acknowledged.cpp"]
                    + messages.map { "\(folder.path)/accrete/v1/\($0).pb.cc" } + ["-lprotobuf", "-lzmq", "-o", folder.path("publish")]))
        return [folder.path("publish")]
    }

    static func process(_ command: [String]) throws -> (process: Process, output: Pipe) {
        let process = Process(), output = Pipe()
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = command
        process.currentDirectoryURL = root.appending(path: "deploy/examples")
        (process.standardOutput, process.standardError) = (output, FileHandle.standardError)
        try process.run()
        return (process, output)
    }

    private static func succeeds(_ command: [String]) -> Bool {
        guard let (process, output) = try? process(command) else { return false }
        _ = output.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        return process.terminationStatus == 0
    }
}

/// Publishers in other languages are acknowledged by ingest over ZeroMQ, also where it is started again meanwhile.
struct AcknowledgedClientsTests {
    /// Ingest with a journal on disk, as its process runs it.
    private struct Graph {
        let stage: Stage<IngestProcessor>
        let work: Task<Void, any Error>

        init(in folder: Folder, epoch: UInt64) throws {
            var settings = IngestSettings(GraphSettings())
            (settings.journal.directory, settings.journal.credit) = (folder.path("journal"), 8)
            let directory = try #require(settings.journal.readings)
            let journal = try Journal(
                DirectoryStorage(directory, writes: true, patience: 5_000), settings.journal.bounds, now: { WallClock().now.nanoseconds })
            let offset = WallClock().now - MonotonicClock().now
            let endpoint = { try Endpoint("ipc://\(folder.path($0))") }
            stage = Stage(
                name: "ingest",
                processor: IngestProcessor(settings, epoch: epoch, wallOffset: offset.nanoseconds, closer: "", journal: journal),
                subscriptions: [
                    Subscription([try endpoint("sensors")], topics: [Topics.sensor.prefix], attachment: .bind),
                    Subscription([try endpoint("acknowledged")], topics: [], attachment: .answer),
                ],
                publish: [try endpoint("ingest")], options: settings.stageOptions)
            work = Task { [stage] in try await stage.run(stoppingOn: []) }
        }

        func end() async throws {
            stage.stop()
            try await work.value
        }
    }

    private func records(in folder: Folder) throws -> [JournalEntry] {
        var entries: [JournalEntry] = []
        let inspection = try JournalInspection(of: DirectoryStorage(folder.path("journal/readings"), writes: false)) { record in
            entries.append(try JournalEntry.read(record.body).entry)
        }
        #expect(inspection.damage.isEmpty && inspection.repeated == 0)
        return entries
    }

    @Test(.timeLimit(.minutes(3)), arguments: Client.allCases)
    fileprivate func nothingThatWasAcknowledgedIsLostWhereIngestIsStartedAgain(_ client: Client) async throws {
        if let missing = client.lacks {
            #expect(!nothingMayBeMissing || client == .cpp, "\(client) lacks \(missing)")
            return
        }
        let folder = Folder(), command = try client.command(in: folder), count = 400
        var graph = try Graph(in: folder, epoch: 1), restarts: UInt64 = 1
        let (process, output) = try Client.process(command + ["ipc://\(folder.path("acknowledged"))", "\(count)", "numbers"])
        while process.isRunning {
            try await Task.sleep(for: .milliseconds(restarts < 4 ? 150 : 20))
            guard restarts < 4 else { continue }
            try await graph.end()
            restarts += 1
            graph = try Graph(in: folder, epoch: restarts)
        }
        let printed = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        try await graph.end()
        #expect(process.terminationStatus == 0)
        #expect(printed == "\(count) acknowledged, 0 refused\n")
        let readings = try records(in: folder).filter { if case .reading = $0.input { true } else { false } }
        #expect(readings.map(\.reading.stamp.sequence) == Array(1...UInt64(count)))
        #expect(readings.allSatisfy { $0.after.count == 1 })
    }
}
