import ArgumentParser
import Deployment
import Foundation
import Ingest
import Journal
import Messaging
import Moments
import Schema
import Statistics

/// Kills stages of a live graph while acknowledged publishers send to it, and judges from outside what became of their messages.
struct FaultsBench: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "faults",
        abstract: "Kills stages of a live graph with a journal by seed, and compares what was acknowledged with what is there.",
        discussion: """
            Each publisher keeps a record of its own of what it has sent and what was acknowledged. At the end: every acknowledged message is
            in ingest's journal, once, in its publisher's order; no reading is in two moments; how many are in none is reported (those under way
            when a stage before the learner was killed). It exits with 1 where a promise was broken.

            Examples:
              accrete-bench faults --kills 20
              accrete-bench faults --kills 50 --stages ingest --seed 7
            """)

    @Option(help: "How often a stage is killed.") var kills = 10
    @Option(help: "Chooses when, and which.") var seed = 1
    @Option(help: "Publishers.") var publishers = 3
    @Option(help: "Messages a second of each publisher.") var rate = 30.0
    @Option(help: "Seconds between two kills, on average.") var interval = 2.0
    @Option(help: "The stages that are killed, separated by commas.") var stages = "ingest,extract,fuse,learn,evaluate"
    @Option(name: .customLong("set"), help: "Override a setting of the graph: key=value. Repeatable.") var overrides: [String] = []
    @Flag(help: "One JSON object.") var json = false

    struct Result: Encodable {
        var kills: [String: Int] = [:]
        var sent = 0
        var acknowledged = 0
        var journaled = 0
        /// Acknowledged and not in the journal; in it more than once; in another order than sent.
        var lost = 0
        var repeated = 0
        var outOfOrder = 0
        var refused = 0
        var damagedPlaces = 0
        var moments = 0
        /// Readings that two moments reach, and readings on disk that are in no moment.
        var inTwoMoments = 0
        var inNoMoment = 0

        var isGood: Bool { lost + repeated + outOfOrder + refused + inTwoMoments == 0 && sent == acknowledged }
    }

    func validate() throws {
        guard (0...10_000).contains(kills), (1...64).contains(publishers), (0.1...1000).contains(rate), (0.1...600).contains(interval)
        else {
            throw ValidationError("--kills are 0 to 10000, --publishers 1 to 64, --rate 0.1 to 1000, --interval 0.1 to 600")
        }
    }

    func run() async throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("accrete-faults-\(UUID().uuidString.prefix(8))").path
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        defer { try? FileManager.default.removeItem(atPath: folder) }  // a temporary directory
        let graph = try start(in: folder)
        defer { graph.terminate() }
        let endpoint = try Endpoint("ipc://\(folder)/sockets/acknowledged"), isOver = StopSignal()
        let (seed, rate) = (seed, rate)
        var result = Result()
        let ends = try await withThrowingTaskGroup(of: RecordedPublisher.self) { group in
            for number in 0..<publishers {
                group.addTask {
                    try await RecordedPublisher.run("source-\(number)", to: endpoint, rate: rate, seed: UInt64(seed + number)) {
                        isOver.isSet
                    }
                }
            }
            result.kills = try await killStages(of: graph)
            isOver.raise()
            return try await group.reduce(into: []) { $0.append($1) }
        }
        try await Task.sleep(for: .seconds(2))  // what is on disk passes through the graph
        graph.terminate()
        graph.waitUntilExit()
        try judge(ends, folder + "/journal", &result)
        try report(result)
    }

    private func start(in folder: String) throws -> Process {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath().deletingLastPathComponent()
            .appendingPathComponent("accrete")
        let lists = ["sensors", "acknowledged", "ingest", "fuse", "learn", "evaluate", "orders", "play"]
        let settings =
            [
                "endpoints.runtime=\(folder)/sockets", "journal.directory=\(folder)/journal", "supervise.maximumRestarts=100000",
                "supervise.maximumRestartDelay=0.2", "learn.checkpointInterval=1", "model.senses=[{name: vector, rows: 1, columns: 16}]",
            ] + lists.map { "endpoints.\($0)=[local:\($0)]" } + overrides
        process.arguments = ["up", "--outside", "--directory", folder + "/run"] + settings.flatMap { ["--set", $0] }
        (process.standardOutput, process.standardInput) = (FileHandle.nullDevice, FileHandle.nullDevice)
        try process.run()
        return process
    }

    private func killStages(of graph: Process) async throws -> [String: Int] {
        var random = RandomSource(seed: UInt64(seed)), done: [String: Int] = [:]
        let wanted = stages.split(separator: ",").map { "accrete-\($0)" }
        try await Task.sleep(for: .seconds(5))  // the graph begins
        for _ in 0..<kills {
            try await Task.sleep(for: .seconds(interval * 2 * random.uniform()))
            guard graph.isRunning else { throw ValidationError("the graph has ended") }
            let running = Processes.children(of: graph.processIdentifier).map { ($0, Processes.name(of: $0)) }
                .filter { wanted.contains($0.1) }.sorted { $0 < $1 }
            guard !running.isEmpty else { continue }
            let (id, name) = running[random.uniform(below: running.count)]
            kill(id, SIGKILL)
            done[name, default: 0] += 1
        }
        return done
    }

    /// Compares the publishers' records with what is on disk.
    private func judge(_ publishers: [RecordedPublisher], _ directory: String, _ result: inout Result) throws {
        var sequences: [String: [UInt64]] = [:], ordinals: Set<UInt64> = [], reached: [UInt64: Int] = [:]
        let readings = try JournalInspection(of: DirectoryStorage(directory + "/readings", writes: false)) { record in
            guard case .reading(let reading)? = try JournalEntry.read(record.body).entry.input else { return }
            sequences[reading.stamp.source, default: []].append(reading.stamp.sequence)
            ordinals.insert(record.ordinal)
        }
        let moments = try JournalInspection(of: DirectoryStorage(directory + "/moments", writes: false)) { record in
            guard case .moment(let moment)? = try MomentRecord.event(in: record.body).event else { return }
            result.moments += 1
            reached[moment.journal, default: 0] += 1
        }
        result.damagedPlaces = readings.damage.count + moments.damage.count
        for publisher in publishers {
            let found = sequences[publisher.source] ?? [], unique = Set(found)
            result.sent += Int(publisher.sent)
            result.acknowledged += Int(publisher.acknowledged)
            result.refused += publisher.refused
            result.journaled += found.count
            result.repeated += found.count - unique.count
            if found != found.sorted() { result.outOfOrder += 1 }
            result.lost += publisher.acknowledged == 0 ? 0 : (1...publisher.acknowledged).count { !unique.contains($0) }
        }
        // Every reading ends its moment, which thus reaches its record and no further.
        result.inTwoMoments = reached.values.count { $0 > 1 }
        result.inNoMoment = ordinals.count { reached[$0] == nil }
    }

    private func report(_ result: Result) throws {
        if json {
            print(String(decoding: try JSONEncoder().encode(result), as: UTF8.self))
        } else {
            print("killed: \(result.kills.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }.joined(separator: ", "))")
            print("sent \(result.sent), acknowledged \(result.acknowledged), journaled \(result.journaled)")
            print("lost \(result.lost), twice \(result.repeated), publishers out of order \(result.outOfOrder), refused \(result.refused)")
            print("moments \(result.moments): readings in two \(result.inTwoMoments), in none \(result.inNoMoment)")
        }
        if !result.isGood { throw ExitCode(1) }
    }
}

/// An acknowledged publisher that keeps a record of what it sent.
struct RecordedPublisher: Sendable {
    let source: String
    private(set) var sent: UInt64 = 0
    private(set) var acknowledged: UInt64 = 0
    private(set) var refused = 0

    /// How long until it greets again, and how long it waits at the end for what is not acknowledged.
    private static let patience = Duration.seconds(1), lastPatience = Duration.seconds(60)

    /// Sends vectors, each of which ends a moment, until `isOver`, and returns when all are acknowledged or it has waited long enough.
    static func run(
        _ source: String, to endpoint: Endpoint, rate: Double, seed: UInt64, until isOver: @escaping @Sendable () -> Bool
    ) async throws -> RecordedPublisher {
        try await withCheckedThrowingContinuation { continuation in
            Thread.detachNewThread {
                continuation.resume(with: Swift.Result { try RecordedPublisher(source).run(to: endpoint, rate, seed, isOver) })
            }
        }
    }

    private init(_ source: String) { self.source = source }

    private func run(to endpoint: Endpoint, _ rate: Double, _ seed: UInt64, _ isOver: () -> Bool) throws -> RecordedPublisher {
        var state = self, random = RandomSource(seed: seed), waiting: [UInt64: [UInt8]] = [:]
        let dealer = try Dealer(to: endpoint), epoch = UInt64(Date().timeIntervalSince1970 * 1e9)
        var transmitted: UInt64 = 0, credit: UInt64 = 0, heard = ContinuousClock.now, ended: ContinuousClock.Instant?
        var next = ContinuousClock.now
        func stamp(_ sequence: UInt64) -> Stamp {
            .with {
                ($0.schemaVersion, $0.source, $0.epoch, $0.sequence) = (schemaVersion, source, epoch, sequence)
                ($0.clock, $0.time) = ("own", Int64(sequence) * 10_000_000)
            }
        }
        func greet() throws {
            (heard, credit) = (.now, 0)
            let greeting: [UInt8] = try Greeting.with { $0.stamp = stamp(state.acknowledged + 1) }.serializedBytes()
            _ = dealer.send("greeting.\(source)/", header: greeting)
        }
        try greet()
        while true {
            if isOver(), ended == nil { ended = .now }
            if let ended, state.acknowledged == state.sent || ContinuousClock.now - ended > Self.lastPatience { return state }
            // Made at a steady rate whether or not it may be sent; what waits is bounded by the rate and the graph's restarts.
            while ended == nil, ContinuousClock.now >= next {
                state.sent += 1
                waiting[state.sent] = (0..<16).flatMap { _ in
                    withUnsafeBytes(of: Float(random.uniform()).bitPattern.littleEndian) { Array($0) }
                }
                next += .seconds(1 / rate)
            }
            while transmitted < min(state.sent, state.acknowledged + credit), let payload = waiting[transmitted + 1] {
                transmitted += 1
                let reading = SensorReading.with {
                    $0.stamp = stamp(transmitted)
                    ($0.session, $0.modality, $0.format, $0.ends) = (source, "vector", "vector/f32le", .explicit)
                }
                _ = dealer.send("sensor.vector.\(source)/", header: try reading.serializedBytes(), payload: payload)
            }
            guard let answer = try dealer.receive(Acknowledgement.self, within: .milliseconds(5)) else {
                if state.acknowledged < state.sent, ContinuousClock.now - heard > Self.patience { try greet() }
                continue
            }
            guard answer.epoch == epoch, answer.problem.isEmpty else {
                if credit > 0 { try greet() }
                continue
            }
            if answer.sequence > state.acknowledged { heard = .now }
            for sequence in state.acknowledged..<max(state.acknowledged, answer.sequence) { waiting[sequence + 1] = nil }
            state.acknowledged = max(state.acknowledged, answer.sequence)
            state.refused += answer.refused.count
            credit = UInt64(answer.credit)
            transmitted = answer.again ? state.acknowledged : max(transmitted, state.acknowledged)
        }
    }
}
