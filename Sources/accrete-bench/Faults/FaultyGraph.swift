import ArgumentParser
import Foundation
import Messaging
import Schema
import Statistics
import Wiring

/// A graph of small models in a temporary directory, whose stages can be killed.
struct FaultyGraph {
    let process: Process
    /// Of the sockets and the run.
    let directory: String
    let journal: String
    /// The ports of the endpoints, where they are TCP.
    private let ports: [String: UInt16]

    /// Which endpoints are TCP.
    enum Reach {
        case none
        /// Those of publishers and subscribers, beside the local sockets by which stages reach each other.
        case outside
        case all
    }

    /// - Parameters:
    ///   - directory: made by the caller.
    ///   - hasJournal: whether it has journals.
    ///   - place: a directory for the journals; nil: the same.
    ///   - overTCP: which endpoints are TCP, of this machine.
    ///   - settings: overrides of the graph's settings: key=value.
    init(
        in directory: String, hasJournal: Bool = true, journalsIn place: String? = nil, overTCP: Reach = .none, _ settings: [String]
    ) throws {
        self.directory = directory
        journal = (place ?? directory) + "/journal"
        process = Process()
        process.executableURL = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath().deletingLastPathComponent()
            .appendingPathComponent("accrete")
        let lists = ["sensors", "acknowledged", "ingest", "fuse", "learn", "evaluate", "orders", "play"]
        let reached = overTCP == .none ? [] : overTCP == .outside ? ["sensors", "fuse"] : lists
        let ports = Dictionary(uniqueKeysWithValues: zip(reached, try freePorts(reached.count)))
        self.ports = ports
        let endpoints = lists.map { name in
            let local = "local:\(name)", outside = ports[name].map { "\"tcp://127.0.0.1:\($0)\"" }
            return "endpoints.\(name)=[\((overTCP == .all ? [outside] : [local, outside]).compactMap(\.self).joined(separator: ", "))]"
        }
        let all =
            [
                "endpoints.runtime=\(directory)/sockets", "supervise.maximumRestarts=1000000", "supervise.maximumRestartDelay=0.2",
                "supervise.restartDelay=0.05", "learn.checkpointInterval=1", "cut.timeLimit=2",
                "model.senses=[{name: vector, rows: 8, columns: 16}]",
            ] + (hasJournal ? ["journal.directory=\(journal)"] : []) + endpoints + settings
        process.arguments = ["up", "--outside", "--directory", directory + "/run"] + all.flatMap { ["--set", $0] }
        (process.standardOutput, process.standardInput) = (FileHandle.nullDevice, FileHandle.nullDevice)
        // The graph ends with this process, also where it is killed.
        process.environment = ProcessInfo.processInfo.environment.merging([Supervised.supervisor: "\(getpid())"]) { $1 }
        try process.run()
    }

    func endpoint(_ name: String) throws -> Endpoint {
        try Endpoint(ports[name].map { "tcp://127.0.0.1:\($0)" } ?? "ipc://\(directory)/sockets/\(name)")
    }

    /// The processes of these stages, by name.
    func processes(of stages: [String]) -> [(id: Int32, stage: String)] {
        let wanted = Set(stages.map { "accrete-\($0)" })
        return Processes.children(of: process.processIdentifier).map { ($0, Processes.name(of: $0)) }
            .filter { wanted.contains($0.1) }.sorted { $0.0 < $1.0 }
    }

    /// Kills one process of a stage.
    /// - Returns: false where it is not running at present.
    func kill(_ stage: String, _ random: inout RandomSource) -> Bool {
        let running = processes(of: [stage])
        guard !running.isEmpty else { return false }
        Foundation.kill(running[random.uniform(below: running.count)].id, SIGKILL)
        return true
    }

    /// The longest wait for its end, in tenths of a second.
    private static let patience = 600

    /// Ends the graph; one that does not end within a minute is killed.
    func stop() {
        process.terminate()
        for _ in 0..<Self.patience where process.isRunning { usleep(100_000) }
        guard process.isRunning else { return }
        FileHandle.standardError.write(Data("the graph in \(directory) did not end and is killed\n".utf8))
        Foundation.kill(process.processIdentifier, SIGKILL)
        process.waitUntilExit()
    }

    /// The newest value that a stage says of itself; nil where it says nothing within three seconds.
    func gauge(_ name: String, of stage: String) async throws -> Double? {
        let bus = try ZeroMQBus(), topic = try Topics.status(stage).name
        let subscriber = try bus.subscriber(to: [Subscription([try endpoint(stage)], topics: [topic])])
        let timer = Task {
            try await Task.sleep(for: .seconds(3))
            subscriber.cancel()
        }
        var value: Double?
        for await batch in subscriber {
            value = (0..<batch.count).compactMap { (try? batch[$0].decode() as Status)?.gauges[name] }.last ?? value
            if value != nil { break }
        }
        timer.cancel()
        subscriber.cancel()
        await bus.end()
        return value
    }
}
