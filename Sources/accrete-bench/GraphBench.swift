import ArgumentParser
import Configuration
import Deployment
import Foundation
import Learning
import Messaging
import Model
import Schema
import Signals
import Wiring

/// Measures the throughput, latencies and memory of the whole process graph, and the speed of its learner alone.
struct GraphBench: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "graph",
        abstract: "Moments a second through the whole graph, latencies live, memory; training steps a second.",
        discussion: """
            Runs the stages from this executable's directory, with the default model, on endpoints of its own. Sources come from simulated
            tables of up to four: speech, camera, microphone, headset. One source is speech alone, four are one whole table, sixteen are
            four tables, each a session. Latencies are measured from the arrival at ingest of the message that ends a moment.
            Examples:
              accrete-bench graph --sources 1,4,16,32 --seconds 20
              accrete-bench graph --sources 4 --fusion early --fusion late --fusion attention --fusion co-attention
            """)

    @Option(help: "How many sources publish, in lockstep; several, parted by commas.")
    var sources = "1,4,16"

    @Option(help: "Seconds that each is measured.")
    var seconds = 20.0

    @Option(help: "A fusion whose latencies are measured; repeat for several. The default one, if not given.")
    var fusion: [String] = []

    @Option(help: "Moments a second, live.")
    var rate = 30.0

    @Flag(help: "Print one line of JSON instead of a table.")
    var json = false

    struct Throughput: Codable {
        var sources: Int
        var moments: UInt64
        var momentsPerSecond: Double
        /// Of all processes, their start included: what is left to compare where the machine has other work.
        var processorSecondsPerMoment: Double
    }

    struct Live: Codable {
        var fusion: String
        var momentsPerSecond: Double
        var moments: UInt64
        var latencySeconds: [String: RunReport.Quantiles]
        /// Readings, moments and messages that were dropped or missed, by whatever stage.
        var drops: UInt64
        var peakMemoryBytes: [String: UInt64]
    }

    struct Learner: Codable {
        var stepsPerSecond: Double
        var stepSecondsMedian: Double
        var processorSecondsPerStep: Double
        /// Moments in a step: the new one and those recalled.
        var rows: Int
    }

    struct Report: Codable {
        var lockstep: [Throughput] = []
        var live: [Live]
        var learner: Learner
    }

    func validate() throws {
        guard !counts.isEmpty, counts.allSatisfy({ (1...256).contains($0) }) else {
            throw ValidationError("--sources wants numbers of 1 to 256 such as 1,4,16, not '\(sources)'")
        }
        guard (1...3600).contains(seconds), (0.1...1000).contains(rate) else {
            throw ValidationError("--seconds are 1 to 3600, --rate is 0.1 to 1000 moments a second")
        }
    }

    private var counts: [Int] {
        let numbers = sources.split(separator: ",").map { Int($0) ?? 0 }
        return numbers.contains(0) ? [] : numbers
    }

    func run() async throws {
        let directory = try BenchDirectory()
        var throughput: [Throughput] = []
        for count in counts { throughput.append(try await lockstep(sources: count, directory)) }
        var live: [Live] = []
        for name in fusion.isEmpty ? [GraphSettings().model.fusion] : fusion { live.append(try await self.live(name, directory)) }
        let report = Report(lockstep: throughput, live: live, learner: try learner())
        if json {
            print(String(decoding: try JSONEncoder().encode(report), as: UTF8.self))
        } else {
            describe(report)
        }
    }

    private func describe(_ report: Report) {
        print("lockstep, the whole graph")
        for result in report.lockstep {
            print(
                String(
                    format: "  %3d sources %8.1f moments a second (of %llu), %.1f ms of processor time each", result.sources,
                    result.momentsPerSecond,
                    result.moments, 1e3 * result.processorSecondsPerMoment))
        }
        for live in report.live { describe(live) }
        print(
            String(
                format: "learner: %.1f steps a second of %d moments; median %.2f ms, processor time %.2f ms", report.learner.stepsPerSecond,
                report.learner.rows, 1e3 * report.learner.stepSecondsMedian, 1e3 * report.learner.processorSecondsPerStep))
    }

    private func describe(_ live: Live) {
        print(
            String(
                format: "live, fusion %@, %.0f moments a second offered: %llu moments, %llu dropped", live.fusion, live.momentsPerSecond,
                live.moments, live.drops))
        for (name, words) in [("prediction", "to prediction"), ("update", "to published update")] {
            guard let latency = live.latencySeconds[name] else { continue }
            print(
                String(
                    format: "  %@ p50 %8.1f ms, p99 %8.1f ms", words.padding(toLength: 20, withPad: " ", startingAt: 0), 1e3 * latency.p50,
                    1e3 * latency.p99))
        }
        let memory = live.peakMemoryBytes.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value >> 20)" }
        print("  peak memory \(live.peakMemoryBytes.values.reduce(0, +) >> 20) MB: \(memory.joined(separator: ", "))")
    }
}

extension GraphBench {
    /// Moments that the evaluator finishes per second, while a recorded session is played as fast as the graph goes.
    private func lockstep(sources: Int, _ directory: BenchDirectory) async throws -> Throughput {
        let session = directory.path("session-\(sources)")
        try writeSession(to: session, sources: sources, moments: Int(seconds * Self.fastest))
        let plan = try plan(.session(session), ["mode=lockstep"], named: "lockstep-\(sources)", directory)
        let stop = StopSignal(), bus = try ZeroMQBus()
        let progress = try bus.subscriber(
            to: [
                Subscription(
                    try plan.settings.publishingEndpoints(plan.settings.endpoints.evaluate, [:]), topics: [Topics.evaluationProgress.prefix]
                )
            ],
            limits: plan.settings.stageOptions.limits)
        async let measured = pace(of: progress, until: stop)
        let before = childrensProcessorSeconds()
        let (outcome, report, _) = try await GraphRun(plan, environment: [:], say: { _ in }).run(
            view: ProgressView(isTerminal: false), until: stop)
        progress.cancel()
        let (moments, momentsPerSecond) = await measured
        if case .failed(let reason) = outcome { throw GraphBenchFailure(description: reason) }
        return Throughput(
            sources: sources, moments: moments, momentsPerSecond: momentsPerSecond,
            processorSecondsPerMoment: (childrensProcessorSeconds() - before) / Double(max(report.moments, 1)))
    }

    /// Moments recorded for every second of measurement; a faster graph is measured for a shorter time.
    private static let fastest = 200.0
    /// Moments before the measurement: first allocations, full queues.
    private static let warmUp: UInt64 = 48

    /// Counts moments during the measurement, then stops the graph.
    private func pace(of progress: Subscriber, until stop: StopSignal) async -> (moments: UInt64, momentsPerSecond: Double) {
        var first: (ordinal: UInt64, at: Double)?
        var moments: UInt64 = 0, elapsed = 0.0
        for await batch in progress {
            let now = monotonicSeconds()
            let ordinals = (0..<batch.count).compactMap { (try? batch[$0].decode() as EvaluationProgress)?.ordinal }  // the evaluator's own
            guard let newest = ordinals.max(), newest >= Self.warmUp else { continue }
            let start = first ?? (newest, now)
            first = start
            if elapsed < seconds, newest > start.ordinal { (moments, elapsed) = (newest - start.ordinal, now - start.at) }
            if elapsed >= seconds { stop.raise() }
        }
        return (moments, elapsed > 0 ? Double(moments) / elapsed : 0)
    }

    /// Tables whose sources are recorded: each begins with speech, which ends its moments.
    private func writeSession(to path: String, sources: Int, moments: Int) throws {
        let sensors = ["speech", "camera", "microphone", "headset"]
        let tables = (sources + sensors.count - 1) / sensors.count
        var events: [SessionEvent] = []
        for table in 0..<tables {
            var world = Simulator.Configuration()
            world.session = "table-\(table)"
            let present = Set(sensors.prefix(sources - table * sensors.count))
            var simulator = try Simulator(seed: UInt64(table) + 1, world)
            for _ in 0..<moments / tables {
                events += simulator.next().events.filter { event in
                    if case .reading(let reading) = event { present.contains(reading.source) } else { true }
                }
            }
        }
        var writer = try SessionWriter(path: path)
        let order = events.indices.sorted { (events[$0].time, $0) < (events[$1].time, $1) }  // a label stays behind its moment's end
        for index in order { try writer.write(events[index]) }
    }

    private func live(_ fusion: String, _ directory: BenchDirectory) async throws -> Live {
        let moments = Int(rate * seconds)
        let plan = try plan(
            .simulator, ["simulate.rate=\(rate)", "simulate.moments=\(moments)", "model.fusion=\(fusion)"], named: "live-\(fusion)",
            directory)
        let (outcome, report, _) = try await GraphRun(plan, environment: [:], say: { _ in })
            .run(view: ProgressView(isTerminal: false), until: StopSignal())
        guard outcome == .complete else { throw GraphBenchFailure(description: "the live run ended as \(outcome)") }
        let lost = (report.drops.values.map { Array($0.values) } + report.gaps.values.map { Array($0.values) }).joined().reduce(0, +)
        return Live(
            fusion: fusion, momentsPerSecond: rate, moments: report.moments, latencySeconds: report.latencySeconds, drops: lost,
            peakMemoryBytes: report.peakMemoryBytes)
    }

    /// A graph with its own endpoints.
    private func plan(_ source: GraphPlan.Source, _ overrides: [String], named name: String, _ directory: BenchDirectory) throws
        -> GraphPlan
    {
        var plan = try GraphPlan.make(source, config: nil, overrides: overrides, directory: directory.path(name), environment: [:])
        plan.settings.endpoints = .isolated(process: getpid())
        plan.settings.endpoints.runtime = directory.path("sockets")
        return plan
    }

    /// The default model and learner over simulated moments, after enough of them for full steps.
    private func learner() throws -> Learner {
        let settings = GraphSettings()
        let learner = try OnlineLearner(MultimodalModel(settings.model), settings.learner, seed: 1)
        let moments = try simulatedMoments(256)
        var rows = 0
        for moment in moments.prefix(64) { rows = try learner.learn(moment)?.rows ?? rows }
        var times: [Double] = []
        let before = processorSeconds(), end = monotonicSeconds() + seconds
        while monotonicSeconds() < end {
            let began = monotonicSeconds()
            _ = try learner.learn(moments[times.count % moments.count])
            times.append((monotonicSeconds() - began) / Double(settings.learner.stepsPerMoment))
        }
        let processor = (processorSeconds() - before) / Double(times.count * settings.learner.stepsPerMoment)
        return Learner(stepsPerSecond: 1 / times.median, stepSecondsMedian: times.median, processorSecondsPerStep: processor, rows: rows)
    }

    /// The learner's inputs for simulated moments, with each sense's last reading.
    private func simulatedMoments(_ count: Int) throws -> [MomentInput] {
        let frontends = Dictionary(uniqueKeysWithValues: try modalities.map { ($0.key, try frontend(for: $0.key)) })
        var simulator = try Simulator(seed: 1)
        return try (0..<count).map { _ in
            var input = MomentInput()
            for event in simulator.next().events {
                if case .label(let label) = event { (input.label, input.classes) = (label.label, label.classes) }
                guard case .reading(let reading) = event, case .payload(let raw) = reading.content,
                    let features = try frontends[reading.modality]?.features(of: raw)
                else { continue }
                if reading.modality == MultimodalConfiguration.textName {
                    input.text = features.values.map { Int($0) }
                } else {
                    input.senses[reading.modality] = SenseInput(
                        rows: features.rows, columns: features.columns, values: features.values, validity: features.validity)
                }
            }
            return input
        }
    }
}

/// Processor time of all processes that this one has started and seen end, seconds.
private func childrensProcessorSeconds() -> Double {
    var usage = rusage()
    getrusage(RUSAGE_CHILDREN.rawValue, &usage)
    return [usage.ru_utime, usage.ru_stime].reduce(0) { $0 + Double($1.tv_sec) + Double($1.tv_usec) * 1e-6 }
}

/// Why the graph could not be measured.
struct GraphBenchFailure: Error, CustomStringConvertible {
    let description: String
}
