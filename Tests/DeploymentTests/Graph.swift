import Deployment
import FilesTesting
import Foundation

/// The executables, driven from outside.
enum Graph {
    static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        .path
    /// The executables are in the directory of the test program.
    static let executables = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath().deletingLastPathComponent().path

    /// Whether they are optimised: a learner that is not takes minutes for a session.
    static var isOptimised: Bool {
        #if DEBUG
            false
        #else
            true
        #endif
    }

    private static let clients = root + "/.build/clients/bin/python"
    /// Whether tests of the examples run: where their packages are, and with `CI=true` also where they are not, so that they fail there.
    static let triesClients = nothingMayBeMissing || imports("zmq, google.protobuf, safetensors.numpy")
    static let triesGymnasium = nothingMayBeMissing || imports("gymnasium, zmq, google.protobuf")

    static let triesRecordings = nothingMayBeMissing || imports("mcap, mcap_protobuf, tensorboard")
    static let triesGateway = nothingMayBeMissing || imports("openai, websocket")
    /// Whether photographs are shown to a browser.
    static let triesPhotographs =
        nothingMayBeMissing
        || ["photographs/coffee.png", "efficientnet-lite0.safetensors"].allSatisfy {
            FileManager.default.fileExists(atPath: "\(root)/models/\($0)")
        } && imports("PIL, websocket")
    /// A browser, where one is installed.
    static let chromium = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].first {
        FileManager.default.isExecutableFile(atPath: $0)
    }

    private static func imports(_ modules: String) -> Bool {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: clients)
        process.arguments = ["-c", "import " + modules]
        process.standardError = FileHandle.nullDevice
        guard (try? process.run()) != nil else { return false }  // there is no such Python
        process.waitUntilExit()
        return process.terminationStatus == 0
    }

    struct Result {
        var status: Int32
        var output: String
    }

    /// A process whose output goes to a file.
    struct Running {
        let process: Process
        let log: String

        func finished() async -> Result {
            defer { try? FileManager.default.removeItem(atPath: log) }  // what is left in /tmp does no harm
            while process.isRunning { try? await Task.sleep(for: .milliseconds(20)) }  // a test is never cancelled
            return Result(status: process.terminationStatus, output: (try? String(contentsOfFile: log, encoding: .utf8)) ?? "")
        }
    }

    /// - Parameter environment: added to this test's own.
    static func start(
        _ arguments: [String], executable: String = executables + "/accrete", directory: String? = nil, environment: [String: String] = [:]
    ) throws -> Running {
        let log = "/tmp/accrete-test-\(UUID().uuidString).log"
        _ = FileManager.default.createFile(atPath: log, contents: nil)
        let process = Process()
        process.executableURL = URL(fileURLWithPath: executable)
        process.arguments = arguments
        process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
        if let directory { process.currentDirectoryURL = URL(fileURLWithPath: directory) }
        let output = FileHandle(forWritingAtPath: log)
        process.standardOutput = output
        process.standardError = output
        process.standardInput = FileHandle.nullDevice
        try process.run()
        return Running(process: process, log: log)
    }

    static func run(_ arguments: String...) async throws -> Result {
        try await start(arguments).finished()
    }

    /// Runs a script of deploy/examples.
    static func python(_ script: String, _ arguments: String...) async throws -> Result { try await python(script, arguments) }

    static func python(_ script: String, _ arguments: [String]) async throws -> Result {
        try await start(["\(root)/deploy/examples/\(script)"] + arguments, executable: clients).finished()
    }

    /// Runs a script of Tests/Clients.
    static func client(_ script: String, _ arguments: String...) async throws -> Result {
        try await start(["\(root)/Tests/Clients/\(script)"] + arguments, executable: clients).finished()
    }

    /// A simulated session as a directory.
    static func writeSession(to path: String, moments: Int) async throws {
        let result = try await start(
            ["--write", path, "--set", "simulate.moments=\(moments)"], executable: executables + "/accrete-simulate"
        ).finished()
        guard result.status == 0 else { throw Failure(description: result.output) }
    }

    /// Separate endpoints for a test, with additional ones for outside clients; and no moment is passed over because other tests keep the
    /// processor busy.
    static func isolated(_ folder: Folder, also more: [String: String] = [:]) throws -> [String] {
        ["--set", "endpoints.runtime=\(folder.path("ipc"))"]
            + ["learn", "evaluate"].flatMap { ["--set", "\($0).maximumLatency=600", "--set", "\($0).niceness=0"] }
            + ["sensors", "fuse", "learn", "evaluate"].flatMap { stage in
                ["--set", "endpoints.\(stage)=[\(["local:\(stage)", more[stage]].compactMap(\.self).joined(separator: ", "))]"]
            }
    }

    static func report(_ path: String) throws -> RunReport {
        try JSONDecoder().decode(RunReport.self, from: Data(contentsOf: URL(fileURLWithPath: path)))
    }

    /// The process of a stage that has reported that it is ready.
    static func process(of stage: String, in run: String) async throws -> Int32 {
        for _ in 0..<600 {
            let log = (try? String(contentsOfFile: "\(run)/logs/\(stage).log", encoding: .utf8)) ?? ""
            if log.contains("ready"), let process = try processes(in: run)[stage] {
                try await Task.sleep(for: .milliseconds(500))
                return process
            }
            try await Task.sleep(for: .milliseconds(50))
        }
        throw Failure(description: "\(stage) did not start")
    }

    /// The gauges that a stage of a running graph publishes once they satisfy `condition`, or the newest ones after a minute.
    static func gauges(
        of stage: String, in run: String, until condition: ([String: Double]) -> Bool
    ) async throws -> [String: Double] {
        struct Line: Decodable {
            let stage: String
            let gauges: [String: Double]?
        }
        var newest: [String: Double] = [:]
        for _ in 0..<30 where !condition(newest) {
            let result = try await Graph.run("status", "--config", "\(run)/settings.yaml", "--json", "--seconds", "2")
            for line in result.output.split(separator: "\n") {
                // Another stage's line, or what is logged beside them.
                guard let line = try? JSONDecoder().decode(Line.self, from: Data(line.utf8)), line.stage == stage else { continue }
                newest = line.gauges ?? newest
            }
        }
        return newest
    }

    /// Runs a shell command, in which `accrete` is the executable.
    static func shell(_ command: String) async throws -> Result {
        try await start(["-c", "accrete() { \(executables)/accrete \"$@\"; }; \(command)"], executable: "/bin/bash").finished()
    }

    /// The processes whose command line names this run's settings, the player and the simulator among them.
    static func processes(in run: String) throws -> [String: Int32] {
        var found: [String: Int32] = [:]
        for name in try FileManager.default.contentsOfDirectory(atPath: "/proc") {
            guard let process = Int32(name), let line = FileManager.default.contents(atPath: "/proc/\(name)/cmdline") else { continue }
            let words = line.split(separator: 0).map { String(decoding: $0, as: UTF8.self) }
            guard words.contains("\(run)/settings.yaml"), let command = words.first?.split(separator: "/").last,
                command.hasPrefix("accrete")
            else { continue }
            let stage = command == "accrete" ? words[1] : String(command.dropFirst("accrete-".count))
            found[words.firstIndex(of: "--modality").map { "\(stage)-\(words[$0 + 1])" } ?? stage] = process
        }
        return found
    }

    struct Failure: Error, CustomStringConvertible {
        let description: String
    }
}
