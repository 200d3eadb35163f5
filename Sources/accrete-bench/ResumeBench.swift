import ArgumentParser
import Deployment
import Foundation
import Signals
import Statistics

/// Kills a whole graph at random moments of a replay and starts it again, and checks that it ends with the parameters of an
/// uninterrupted run.
struct ResumeBench: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "resume",
        abstract:
            "Kills and restarts a replay at random moments, and compares the final parameters' SHA-256 with an uninterrupted run's.",
        discussion: """
            Every process of the graph gets SIGKILL at the same time; with --stage, only that stage, after which the graph restarts the
            replay by itself. Without --session, a session of --moments of the built-in simulator is recorded first.

            Examples:
              accrete-bench resume --kills 20
              accrete-bench resume --kills 5 --stage learn
              accrete-bench resume --session DIR --kills 3 --set learn.gate.enabled=true
            """)

    @Option(help: "A session directory.") var session: String?
    @Option(help: "Moments of the session where none is given.") var moments = 400
    @Option(help: "Runs that are killed once each.") var kills = 20
    @Option(help: "Chooses when.") var seed = 1
    @Option(help: "Kill this stage alone: ingest, fuse, learn, evaluate.") var stage: String?
    @Option(name: .customLong("set"), help: "Override a setting of all runs: key=value. Repeatable.") var overrides: [String] = []
    @Flag(help: "One JSON object.") var json = false

    private struct Result: Encodable {
        var sha256: String
        var seconds: Double
        var kills: [Kill] = []

        struct Kill: Encodable {
            var afterSeconds: Double
            /// Moment of the newest checkpoint then; nil before any.
            var sha256: String
            var isEqual: Bool
        }
    }

    func run() async throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("accrete-resume-\(UUID().uuidString.prefix(8))").path
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }  // a temporary directory
        let session = try session ?? record(to: folder + "/session")
        let began = ContinuousClock.now
        let whole = try start(session, in: folder + "/whole")
        whole.waitUntilExit()
        var result = Result(sha256: try sha256(folder + "/whole"), seconds: (ContinuousClock.now - began) / .seconds(1))
        if !json { print(String(format: "uninterrupted: %.1f s, %@", result.seconds, result.sha256)) }
        var random = RandomSource(seed: UInt64(seed))
        for index in 0..<kills {
            let after = (0.05 + 0.9 * random.uniform()) * result.seconds, directory = folder + "/\(index)"
            let process = try start(session, in: directory)
            try await Task.sleep(for: .seconds(after))
            if let stage {
                for id in Processes.children(of: process.processIdentifier) where Processes.name(of: id) == "accrete-\(stage)" {
                    kill(id, SIGKILL)
                }
                process.waitUntilExit()
            } else {
                let all = Processes.children(of: process.processIdentifier) + [process.processIdentifier]
                for id in all { kill(id, SIGKILL) }
                process.waitUntilExit()
                // One that had written its report was over already: started again it would be another run.
                if !FileManager.default.fileExists(atPath: directory + "/report.json") { try start(session, in: directory).waitUntilExit() }
            }
            let sha256 = try sha256(directory)
            result.kills.append(.init(afterSeconds: after, sha256: sha256, isEqual: sha256 == result.sha256))
            if !json {
                print(String(format: "killed after %5.1f s: %@", after, sha256 == result.sha256 ? "equal" : "DIFFERENT, \(sha256)"))
            }
            try? FileManager.default.removeItem(atPath: directory)  // a temporary directory
        }
        if json { return print(String(decoding: try JSONEncoder().encode(result), as: UTF8.self)) }
        print("\(result.kills.count { $0.isEqual }) of \(result.kills.count) equal")
        if result.kills.contains(where: { !$0.isEqual }) { throw ExitCode(1) }
    }

    private func start(_ session: String, in directory: String) throws -> Process {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath().deletingLastPathComponent()
            .appendingPathComponent("accrete")
        process.arguments =
            ["up", "--session", session, "--mode", "lockstep", "--directory", directory, "--set", "learn.checkpointEvery=64"]
            + overrides.flatMap { ["--set", $0] }
        process.standardOutput = FileHandle.nullDevice
        process.standardInput = FileHandle.nullDevice
        try process.run()
        return process
    }

    private func sha256(_ directory: String) throws -> String {
        let report = try JSONDecoder().decode(RunReport.self, from: Data(contentsOf: URL(fileURLWithPath: directory + "/report.json")))
        guard !report.sha256.isEmpty else { throw ValidationError("\(directory) has learned nothing") }
        return report.sha256
    }

    private func record(to path: String) throws -> String {
        var simulator = try Simulator(seed: UInt64(seed), Simulator.Configuration()), writer = try SessionWriter(path: path)
        let events = (0..<moments).flatMap { _ in simulator.next().events }
        for (_, event) in events.enumerated().sorted(by: { ($0.element.time, $0.offset) < ($1.element.time, $1.offset) }) {
            try writer.write(event)
        }
        return path
    }
}
