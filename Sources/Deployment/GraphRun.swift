import Foundation
import Messaging
import Pipeline
import Schema
import Stages
import Synchronization

/// Runs a whole graph on this machine, from its start to its report.
public struct GraphRun: Sendable {
    /// How a run ended.
    public enum Outcome: Sendable, Equatable {
        /// Everything that came was dealt with, and what was learned is written.
        case complete
        /// Told to stop.
        case stopped
        case failed(String)
        /// A process of a replay died: what it had heard is lost, so the whole graph begins the stream again, and the learner goes on where its newest
        /// checkpoint stands. No run ends so.
        case interrupted(String)
    }

    private let plan: GraphPlan
    private let environment: [String: String]
    private let say: @Sendable (String) -> Void

    /// - Parameter say: takes text for the terminal.
    public init(_ plan: GraphPlan, environment: [String: String], say: @escaping @Sendable (String) -> Void) {
        self.plan = plan
        self.environment = environment
        self.say = say
    }

    /// Starts the graph, watches it until it is done or `stop` says so, stops it, and reports. A replay that loses a process is begun again.
    public func run(view: ProgressView, until stop: StopSignal) async throws -> (outcome: Outcome, report: RunReport, plot: StreamPlot) {
        var restarts: [String: Int] = [:]
        while true {
            var (outcome, report, plot) = try await runOnce(view: view, until: stop)
            guard case .interrupted(let name) = outcome else {
                report.restarts.merge(restarts, uniquingKeysWith: +)
                return (outcome, report, plot)
            }
            restarts[name, default: 0] += 1
            if restarts.values.reduce(0, +) > plan.settings.supervise.maximumRestarts { return (.failed("\(name) keeps dying; see \(plan.directory)/logs"), report, plot) }
            say("\(name) died: the replay begins again, and learning goes on from the newest checkpoint\n")
        }
    }

    private func runOnce(view: ProgressView, until stop: StopSignal) async throws -> (outcome: Outcome, report: RunReport, plot: StreamPlot) {
        let began = ContinuousClock.now
        try prepareDirectory()
        let supervisor = Supervisor(plan.settings.supervise, logs: plan.directory + "/logs")
        let bus = try ZeroMQBus()
        let listener = try bus.subscriber(
            to: [Subscription(try plan.settings.allEndpoints(environment),
                              topics: [Topics.status.prefix, Topics.evaluationSummary.prefix, Topics.evaluationDomains.prefix, Topics.modelUpdate.prefix,
                                       Topics.modelVerdict.prefix, Topics.triggerLedger.prefix])],
            limits: plan.settings.stageOptions.limits)
        let watch = Watch(plan, startTimeout: plan.settings.supervise.startTimeout, view: view, began: began, say: say)
        for child in plan.stages { await supervisor.start(child) }

        let outcome = await withTaskGroup(of: Outcome?.self) { group in
            group.addTask { await watch.listen(to: listener) }
            group.addTask { await watch.follow(supervisor) }
            group.addTask { await watch.keepTime(starting: plan.publisher, by: supervisor, until: stop) }
            let first = await group.compactMap { $0 }.first { _ in true }
            group.cancelAll()
            return first ?? .failed("the graph ended without a word")
        }
        // The last words of every stage are still to come.
        let last = Task { _ = await watch.listen(to: listener, untilAllAreDone: true) }
        await supervisor.stopAll()
        await Self.wait(for: last, atMost: .seconds(2))
        listener.cancel()
        let seconds = (ContinuousClock.now - began).inSeconds
        let report = await watch.report(after: seconds, restarts: supervisor.restarts)
        return (outcome, report, await watch.plot)
    }

    private static func wait(for task: Task<Void, Never>, atMost limit: Duration) async {
        let timer = Task {
            try? await Task.sleep(for: limit)  // cancelled when the task is done first
            task.cancel()
        }
        await task.value
        timer.cancel()
    }

    private func prepareDirectory() throws {
        try FileManager.default.createDirectory(atPath: plan.directory + "/logs", withIntermediateDirectories: true)
        try plan.settings.yaml.write(toFile: plan.settingsFile, atomically: true, encoding: .utf8)
        try plan.begin()
    }
}

/// Told once, from a signal handler or a test, that a run shall end.
public final class StopSignal: Sendable {
    private let isRaised = Mutex(false)

    public init() {}

    public func raise() {
        isRaised.withLock { $0 = true }
    }

    public var isSet: Bool { isRaised.withLock { $0 } }
}

/// What is seen of a running graph.
private actor Watch {
    private let plan: GraphPlan
    private let startTimeout: Double
    private let began: ContinuousClock.Instant
    private let say: @Sendable (String) -> Void
    private var view: ProgressView
    private var record = RunRecord()

    init(_ plan: GraphPlan, startTimeout: Double, view: ProgressView, began: ContinuousClock.Instant, say: @escaping @Sendable (String) -> Void) {
        self.plan = plan
        self.startTimeout = startTimeout
        self.view = view
        self.began = began
        self.say = say
    }

    private var seconds: Double { (ContinuousClock.now - began).inSeconds }

    /// Takes in what the stages tell, until the referee has seen the end.
    func listen(to subscriber: Subscriber, untilAllAreDone: Bool = false) async -> GraphRun.Outcome? {
        for await batch in subscriber {
            for index in 0..<batch.count { take(batch[index]) }
            if untilAllAreDone, record.statuses.values.allSatisfy(\.last) { return nil }
            if !untilAllAreDone, record.isComplete { return .complete }
        }
        return nil
    }

    private func take(_ message: WireMessage) {
        do {
            let topic = message.topic
            if Topics.status.components(of: topic) != nil { record.take(try message.decode() as Status) }
            if Topics.evaluationSummary.components(of: topic) != nil { record.take(try message.decode() as EvaluationSummary) }
            if Topics.modelUpdate.components(of: topic) != nil { record.take(try message.decode() as ModelUpdate) }
            if Topics.modelVerdict.components(of: topic) != nil { record.take(try message.decode() as Verdict) }
            if Topics.triggerLedger.components(of: topic) != nil { record.take(try message.decode() as TriggerLedgerPart) }
            if Topics.evaluationDomains.components(of: topic) != nil { record.take(try message.decode() as DomainSummary) }
        } catch {
            note("a stage said what cannot be read: \(error)")
        }
    }

    /// Says aloud what becomes of the processes.
    func follow(_ supervisor: Supervisor) async -> GraphRun.Outcome? {
        for await event in supervisor.events {
            switch event {
            case .started(let name, let process, let restarts):
                if restarts > 0 { note("\(name) is back (process \(process), start \(restarts + 1))") }
            case .finished: break
            case .died(let name, _, _, _) where plan.isRepeatable: return .interrupted(name)
            case .died(let name, let how, let words, let delay):
                note("\(name) died (\(how)); it starts again in \(delay) s. Its last words: \(words)")
            case .gaveUp(let name, let how, let words):
                return .failed("\(name) keeps dying (\(how)): \(words)")
            }
        }
        return nil
    }

    /// Starts the publisher when every stage is there; draws; ends the run when told, or when nothing moves.
    func keepTime(starting publisher: Supervisor.Child?, by supervisor: Supervisor, until stop: StopSignal) async -> GraphRun.Outcome? {
        let stages = plan.stages.map(\.name)
        var hasBegun = false
        var newest: (watermark: UInt64, at: Double) = (0, 0)
        while !Task.isCancelled {
            if stop.isSet { return .stopped }
            if !hasBegun, stages.allSatisfy({ record.statuses[$0] != nil }) {
                hasBegun = true
                newest.at = seconds
                note("all \(stages.count) stages are up after \(String(format: "%.1f", seconds)) s")
                if let publisher { await supervisor.start(publisher) }
            }
            if !hasBegun, seconds > startTimeout {
                let missing = stages.filter { record.statuses[$0] == nil }
                return .failed("\(missing.joined(separator: ", ")) did not come up within \(startTimeout) s; see \(plan.directory)/logs")
            }
            if hasBegun {
                let watermark = record.summary?.watermark ?? 0
                if watermark > newest.watermark { newest = (watermark, seconds) }
                if publisher != nil, seconds - newest.at > plan.settings.lockstep.patience {
                    return .failed("nothing has moved for \(plan.settings.lockstep.patience) s; see \(plan.directory)/logs")
                }
                draw()
            }
            try? await Task.sleep(for: .milliseconds(250))  // cancellation ends the loop
        }
        return nil
    }

    private func draw() {
        let text = view.draw(record, after: seconds)
        if !text.isEmpty { say(text) }
    }

    private func note(_ text: String) {
        say(text + "\n")
        view.keep()
    }

    var plot: StreamPlot { record.plot(title: "\(plan.source.name): loss of the model and of its frozen twin, seed \(plan.settings.seed)") }

    func report(after seconds: Double, restarts: [String: Int]) -> RunReport {
        RunReport(record, plan, seconds: seconds, restarts: restarts)
    }
}
