import FilesTesting
import Foundation
import Testing

/// Recordings as their users make and read them: from a running graph, by other programs, and replayed.
@Suite(.serialized, .enabled(if: Graph.isOptimised, "an unoptimised graph is too slow: run deploy/test"), .timeLimit(.minutes(10)))
struct RecordedGraphTests {
    /// A session directory, the MCAP file made of it, and the directory made of that are the same session: to the byte, and to the bit of
    /// the parameters.
    @Test func aReplayOfAnMCAPFileGivesTheParametersOfTheDirectory() async throws {
        let folder = Folder(), directory = folder.path("session"), file = folder.path("session.mcap")
        try await Graph.writeSession(to: directory, moments: 30)
        for (from, to) in [(directory, file), (file, folder.path("back"))] {
            let result = try await Graph.run("convert", from, to)
            #expect(result.status == 0, "\(result.output)")
        }
        let same = try await Graph.shell("diff -r \(directory) \(folder.path("back"))")
        #expect(same.status == 0, "\(same.output)")
        var digests: [String] = []
        for session in [directory, file] {
            let result = try await Graph.run(
                "up", "--session", session, "--mode", "lockstep", "--seed", "3", "--directory", folder.path("run\(digests.count)"),
                "--report", folder.path("report.json"))
            #expect(result.status == 0, "\(result.output)")
            let report = try Graph.report(folder.path("report.json"))
            #expect(report.moments == 30)
            digests.append(report.sha256)
        }
        #expect(digests[0] == digests[1] && digests[0].count == 64)
    }

    /// A recorder that is killed leaves a file that is read, and that `accrete convert` makes whole; one that is interrupted a whole one.
    /// The recording is replayed: its moments are the graph's.
    @Test(.enabled(if: Graph.triesRecordings, "the libraries of MCAP and TensorBoard are not installed"))
    func aRunningGraphIsRecorded() async throws {
        let folder = Folder(), whole = folder.path("whole.mcap"), torn = folder.path("torn.mcap")
        let isolated = try Graph.isolated(folder)
        let graph = try Graph.start(["up", "--directory", folder.path("run")] + ["--set", "simulate.moments=0"] + isolated)
        _ = try await Graph.process(of: "ingest", in: folder.path("run"))
        let recorder = try Graph.start(["record", whole, "--tensorboard", folder.path("board")] + isolated)
        let victim = try Graph.start(["record", torn] + isolated)
        for _ in 0..<1200 where size(torn) < 200_000 || size(whole) < 200_000 { try await Task.sleep(for: .milliseconds(50)) }
        kill(victim.process.processIdentifier, SIGKILL)
        _ = await victim.finished()
        recorder.process.interrupt()
        let recorded = await recorder.finished()
        #expect(recorded.status == 0 && recorded.output.contains("whole.mcap, "), "\(recorded.output)")
        graph.process.interrupt()
        _ = await graph.finished()

        for arguments in [("whole", whole), ("torn", torn), ("tensorboard", folder.path("board"))] {
            let result = try await Graph.client("recordings.py", arguments.0, arguments.1)
            #expect(result.status == 0, "\(arguments): \(result.output)")
        }
        let mended = try await Graph.run("convert", torn, folder.path("mended.mcap"))
        #expect(mended.status == 0 && mended.output.contains("ends too early"), "\(mended.output)")
        #expect(try await Graph.client("recordings.py", "whole", folder.path("mended.mcap")).status == 0)

        let replay = try await Graph.run(
            "up", "--session", whole, "--mode", "lockstep", "--directory", folder.path("replay"), "--report", folder.path("report.json"))
        #expect(replay.status == 0, "\(replay.output)")
        let report = try Graph.report(folder.path("report.json"))
        #expect(report.moments > 10 && report.drops["play"]?.isEmpty != false, "\(report.drops)")
    }

    private func size(_ path: String) -> UInt64 {
        (try? FileManager.default.attributesOfItem(atPath: path)[.size] as? UInt64) ?? 0  // not there yet
    }
}
