import ArgumentParser
import Deployment
import Foundation
import Messaging
import Statistics

/// Kills stages of a live graph while acknowledged publishers send to it, and judges from outside what became of their messages.
struct FaultsBench: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "faults",
        abstract: "Kills stages of a live graph with a journal by seed, and compares what was acknowledged with what is there.",
        discussion: """
            Each publisher keeps a record of its own of what it has sent and what was acknowledged. At the end: every acknowledged message is
            in ingest's journal, once, in its publisher's order, or was refused; every reading there is in one moment, in order, or was given
            up with a reason; the contents of moments say the same. It exits with 1 where a promise was broken.

            Examples:
              accrete-bench faults --kills 20
              accrete-bench faults --kills 50 --stages ingest --seed 7
              accrete-bench faults --kills 0 --steps --json            every step of writing a journal, in this process
              accrete-bench faults --kills 0 --jumps 0.01              publishers' clocks are set by hours
              accrete-bench faults --minutes 30 --kills 5              what a graph takes of the machine, over time
              accrete-bench faults --kills 0 --stalled 4               a subscriber that does not read
              accrete-bench faults --kills 0 --cost 4                  throughput and latency with a journal and without
              accrete-bench faults --kills 0 --secrecy 4               of pictures of 64 KB over TCP, with keys and without
              accrete-bench faults --kills 0 --secrecy 4 --outside     the same with stages on one host
            """)

    @Option(help: "How often each stage is killed.") var kills = 10
    @Option(help: "Chooses when, and which.") var seed = 1
    @Option(help: "Publishers.") var publishers = 3
    @Option(help: "Messages a second of each publisher.") var rate = 30.0
    @Option(help: "Seconds between two kills, on average.") var interval = 1.0
    @Option(help: "The stages that are killed, separated by commas.") var stages = "ingest,extract,fuse,learn,evaluate"
    @Option(help: "The least time for which the graph runs, in minutes; its memory, descriptors, threads and disk are sampled.")
    var minutes = 0.0
    @Option(help: "Probability that a publisher's clock is set by hours before a reading.") var jumps = 0.0
    @Option(help: "Rounds with and without a subscriber that does not read.") var stalled = 0
    @Option(help: "Rounds with and without a journal.") var cost = 0
    @Option(help: "Rounds over TCP with keys and without.") var secrecy = 0
    @Flag(help: "With --secrecy: stages are on one host, and only publishers and subscribers connect over TCP.") var outside = false
    @Option(help: "Seconds of each of these rounds.") var seconds = 15.0
    @Flag(help: "Fail every step of writing a journal, in this process.") var steps = false
    @Option(help: "An existing directory for the journals.") var directory: String?
    @Option(help: "How often the file system of --directory is filled, for three seconds.") var fill = 0
    @Option(name: .customLong("set"), help: "Override a setting of the graph: key=value. Repeatable.") var overrides: [String] = []
    @Flag(help: "One JSON object.") var json = false

    struct Result: Encodable {
        var seed: Int
        var kills: [String: Int] = [:]
        var fills = 0
        var jumps = 0
        var seconds = 0.0
        var verdict: FaultsJudge.Verdict?
        var use: ResourceUse.Trend?
        var steps: StepFaults.Result?
        var stalled: StalledSubscriber.Result?
        var cost: GraphCost.Result?
        var secrecy: GraphCost.Result?

        var isGood: Bool { (verdict?.isGood ?? true) && (steps?.isGood ?? true) && (use?.isFlat ?? true) }
    }

    func validate() throws {
        guard (0...10_000).contains(kills), (1...64).contains(publishers), (0.1...1000).contains(rate), (0.05...600).contains(interval),
            (0...1440).contains(minutes), (0...0.5).contains(jumps), (0...100).contains(stalled), (0...100).contains(cost),
            (0...100).contains(secrecy),
            (1...3600).contains(seconds)
        else {
            throw ValidationError(
                "--kills are 0 to 10000, --publishers 1 to 64, --rate 0.1 to 1000, --interval 0.05 to 600, --minutes 0 to 1440, "
                    + "--jumps 0 to 0.5, --stalled, --cost and --secrecy 0 to 100, --seconds 1 to 3600")
        }
        guard fill == 0 || directory != nil else { throw ValidationError("--fill wants a --directory on a small file system") }
    }

    func run() async throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("accrete-faults-\(UUID().uuidString.prefix(8))").path
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        defer { try? FileManager.default.removeItem(atPath: folder) }  // a temporary directory
        var result = Result(seed: seed)
        if steps { result.steps = try StepFaults.run(in: folder + "/steps", seed: UInt64(seed)) }
        if stalled > 0 { result.stalled = try await StalledSubscriber.run(in: folder + "/stalled", rounds: stalled, seconds, overrides) }
        if cost > 0 { result.cost = try await GraphCost.journal.run(in: folder + "/cost", rounds: cost, seconds, overrides) }
        if secrecy > 0 {
            let cost = outside ? GraphCost.keysOutside : .keys
            result.secrecy = try await cost.run(in: folder + "/secrecy", rounds: secrecy, seconds, overrides)
        }
        if kills > 0 || minutes > 0 || jumps > 0 || fill > 0 { try await runGraph(in: folder, &result) }
        try report(result)
    }

    /// Without progress for so long at the end, what waits is counted as in no moment.
    private static let patience = Duration.seconds(60)

    private func runGraph(in folder: String, _ result: inout Result) async throws {
        let began = ContinuousClock.now
        let bounds = minutes > 0 ? ["journal.segmentBytes=262144", "journal.bytes=8388608"] : []
        let graph = try FaultyGraph(in: folder, journalsIn: directory, bounds + overrides)
        defer { graph.process.terminate() }
        let endpoint = try graph.endpoint("acknowledged"), isOver = StopSignal()
        let judge = JudgeTask(graph.journal), use = ResourceUse(of: graph)
        try await Task.sleep(for: .seconds(3))  // the graph begins
        let ends = try await withThrowingTaskGroup(of: RecordedPublisher.self) { group in
            for number in 0..<publishers {
                let settings = RecordedPublisher.Settings(
                    number: number, rate: rate, seed: UInt64(seed * 1_000 + number), jumps: jumps)
                group.addTask { try await RecordedPublisher.run(settings, to: endpoint) { isOver.isSet } }
            }
            do { try await disturb(graph, until: began + .seconds(60 * minutes), judge, use, &result) } catch {
                isOver.raise()
                throw error
            }
            isOver.raise()
            return try await group.reduce(into: []) { $0.append($1) }
        }
        result.jumps = ends.reduce(0) { $0 + $1.jumps }
        result.seconds = (ContinuousClock.now - began) / .seconds(1)
        // What is on disk passes through the graph, as long as it takes.
        var least = Int.max, progressed = ContinuousClock.now
        repeat {
            try await Task.sleep(for: .seconds(1))
            try judge.follow()
            if judge.undecided < least { (least, progressed) = (judge.undecided, .now) }
        } while judge.undecided > 0 && ContinuousClock.now - progressed < Self.patience
        try await Task.sleep(for: .seconds(3))
        let position = try await graph.gauge("journalPosition", of: "learn")
        graph.stop()
        try judge.follow()
        var verdict = judge.verdict(ends)
        verdict.learnedUpTo = position.map { UInt64($0) }
        verdict.judgesOrder = jumps == 0
        result.verdict = verdict
        if minutes > 0 { result.use = use.trend }
    }

    /// Kills stages, fills the disk and samples what the graph takes, until all is done.
    private func disturb(
        _ graph: FaultyGraph, until end: ContinuousClock.Instant, _ judge: JudgeTask, _ use: ResourceUse, _ result: inout Result
    ) async throws {
        var random = RandomSource(seed: UInt64(seed)), order: [String] = []
        for stage in stages.split(separator: ",") { order += Array(repeating: String(stage), count: kills) }
        for index in order.indices.dropFirst() { order.swapAt(index, random.uniform(below: index + 1)) }
        var fills = fill, sampled = ContinuousClock.now
        // Over a given time, kills are spread evenly.
        let pause = minutes > 0 && !order.isEmpty ? 60 * minutes / Double(order.count + 1) : interval
        var next = ContinuousClock.now + .seconds(pause * 2 * random.uniform())
        while !order.isEmpty || fills > 0 || ContinuousClock.now < end {
            try await Task.sleep(for: .milliseconds(20))
            guard graph.process.isRunning else { throw ValidationError("the graph has ended") }
            if ContinuousClock.now - sampled > .seconds(2) {
                sampled = .now
                try judge.follow()
                use.sample()
            }
            guard ContinuousClock.now >= next else { continue }
            next = .now + .seconds(pause * 2 * random.uniform())
            if let stage = order.last, graph.kill(stage, &random) {
                result.kills[stage, default: 0] += 1
                order.removeLast()
            }
            if fills > 0 {
                fills -= 1
                result.fills += 1
                try await FullDisk.fill(graph.journal, for: .seconds(3))
            }
        }
        if kills == 0, fill == 0, minutes == 0 { try await Task.sleep(for: .seconds(seconds)) }
    }

    private func report(_ result: Result) throws {
        if json {
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.sortedKeys]
            print(String(decoding: try encoder.encode(result), as: UTF8.self))
        } else {
            for line in result.lines { print(line) }
        }
        if !result.isGood { throw ExitCode(1) }
    }
}

/// The judge, which one task at a time uses.
final class JudgeTask {
    private var judge: FaultsJudge
    init(_ directory: String) { judge = FaultsJudge(directory) }
    func follow() throws { try judge.follow() }
    var undecided: Int { judge.undecided }
    func verdict(_ publishers: [RecordedPublisher]) -> FaultsJudge.Verdict { judge.judge(publishers) }
}

extension FaultsBench.Result {
    fileprivate var lines: [String] {
        func list(_ counts: [String: Int]) -> String {
            counts.isEmpty ? "none" : counts.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }.joined(separator: ", ")
        }
        var lines: [String] = []
        if let verdict {
            lines.append("killed: \(list(kills)); disk filled \(fills) times, clocks set \(jumps) times, in \(Int(seconds)) s")
            lines.append("sent \(verdict.sent), acknowledged \(verdict.acknowledged), journaled \(verdict.journaled)")
            lines.append("lost \(verdict.lost), twice \(verdict.repeated), publishers out of order \(verdict.outOfOrder)")
            lines.append("refused: \(list(verdict.refused))")
            lines.append(
                "moments \(verdict.moments): readings in one \(verdict.inOneMoment), in two \(verdict.inTwoMoments), "
                    + "in none \(verdict.inNoMoment); contents in two \(verdict.contentsInTwoMoments)")
            lines.append("given up: \(list(verdict.givenUp))")
            lines.append(
                "sessions out of order \(verdict.momentsOutOfOrder); digests \(verdict.digestsEqual ? "equal" : "DIFFERENT"); "
                    + "learned up to \(verdict.learnedUpTo.map(String.init) ?? "?") of \(verdict.newestEvent)")
        }
        return lines + (use?.lines ?? []) + (steps?.lines ?? []) + (stalled?.lines ?? []) + (cost?.lines ?? []) + (secrecy?.lines ?? [])
    }
}
