import FilesTesting
import Foundation
import Glibc
import Schema
import Testing
@testable import Messaging

/// Clients in other languages with keys of a graph.
private enum Client {
    static let deploy = URL(filePath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent().appending(path: "deploy")
    static let python = ProcessInfo.processInfo.environment["ACCRETE_PYTHON"] ?? "python3"

    static let hasPython = (try? start(python, "-c", "import zmq, google.protobuf, safetensors.numpy")).map { status(of: $0) == 0 } ?? false
    static let hasCompiler = (try? start("g++", "--version")).map { status(of: $0) == 0 } ?? false

    static func start(_ arguments: String...) throws -> Process {
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = arguments
        process.currentDirectoryURL = deploy.appending(path: "examples")
        process.standardOutput = Pipe()
        process.standardError = Pipe()
        try process.run()
        return process
    }

    static func status(of process: Process) -> Int32 {
        process.waitUntilExit()
        return process.terminationStatus
    }
}

@Suite(.timeLimit(.minutes(2)))
struct SecurityClientTests {
    private let folder = Folder()

    private func bus() throws -> (bus: ZeroMQBus, keys: KeyDirectory) {
        let keys = KeyDirectory(folder.path("keys"))
        _ = try keys.add("python", roles: [.publisher], sources: ["py-camera", "py-gaze", "py-words"])
        _ = try keys.add("reader", roles: [.subscriber])
        return (try ZeroMQBus(security: Security(keys, rates: .init(messages: 1e6, bytes: 1e9))), keys)
    }

    @Test(.enabled(if: nothingMayBeMissing || Client.hasPython, "no Python with pyzmq, protobuf and safetensors"))
    func publishersInPythonTakeAKey() async throws {
        let (bus, keys) = try bus()
        let sensors = try bus.subscriber(
            to: [Subscription([Endpoint("tcp://127.0.0.1:*")], topics: ["cut.", "sensor."], attachment: .bind)])
        let client = try Client.start(Client.python, "publish.py", sensors.endpoints[0].description, keys.file(of: "python"))
        var sources: [String] = []
        for await batch in sensors {
            for index in 0..<batch.count {
                let reading: SensorReading = try batch[index].decode()
                sources.append(reading.stamp.source)
            }
            if sources.count >= 15 { break }
        }
        #expect(Set(sources) == ["py-camera", "py-gaze", "py-words"])
        #expect(Client.status(of: client) == 0)
        sensors.cancel()
        await bus.end()
    }

    @Test(.enabled(if: nothingMayBeMissing || Client.hasPython, "no Python with pyzmq, protobuf and safetensors"))
    func subscribersInPythonTakeAKey() async throws {
        let (bus, keys) = try bus()
        let publisher = try bus.publisher(.bind, [Endpoint("tcp://127.0.0.1:*")])
        let client = try Client.start(Client.python, "subscribe.py", publisher.endpoints[0].description, "1", keys.file(of: "reader"))
        #expect(try await publisher.waitForSubscribers(to: "model.update/", within: .seconds(60)))
        kill(client.processIdentifier, SIGKILL)
        client.waitUntilExit()
        // A file that others may read is not used.
        chmod(keys.file(of: "reader"), 0o644)
        let careless = try Client.start(Client.python, "subscribe.py", publisher.endpoints[0].description, "1", keys.file(of: "reader"))
        #expect(Client.status(of: careless) == 1)
        publisher.close()
        await bus.end()
    }

    @Test(.enabled(if: nothingMayBeMissing || Client.hasCompiler, "no g++"))
    func clientsInCPlusPlusTakeAKey() async throws {
        let (bus, keys) = try bus()
        let program = """
            #include "accrete/keys.hpp"
            int main(int, char **arguments) {
                void *context = zmq_ctx_new(), *socket = zmq_socket(context, ZMQ_SUB);
                accrete::use_keys(socket, arguments[2]);
                zmq_setsockopt(socket, ZMQ_SUBSCRIBE, "t/", 2);
                zmq_connect(socket, arguments[1]);
                char topic[8];
                return zmq_recv(socket, topic, sizeof topic, 0) == 2 ? 0 : 1;
            }
            """
        let (source, executable) = (folder.path("client.cpp"), folder.path("client"))
        try Data(program.utf8).write(to: URL(filePath: source))
        let compiler = try Client.start(
            "g++", "-std=c++17", "-Wall", "-Wextra", "-Werror", "-I", Client.deploy.appending(path: "clients/cpp").path, "-o", executable,
            source, "-lzmq")
        #expect(Client.status(of: compiler) == 0)
        let publisher = try bus.publisher(.bind, [Endpoint("tcp://127.0.0.1:*")])
        let client = try Client.start(executable, publisher.endpoints[0].description, keys.file(of: "reader"))
        #expect(try await publisher.waitForSubscribers(to: "t/", within: .seconds(30)))
        _ = try publisher.publish("t/", header: [1], payload: [])
        #expect(Client.status(of: client) == 0)
        publisher.close()
        await bus.end()
    }
}
