import Files
import Foundation
import Messaging
import Pipeline
import Schema
import Statistics
import Synchronization
import Wiring

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
        /// - Parameter byInput: whether a message killed it, which is passed over from then on.
        case interrupted(String, byInput: Bool)
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
    /// - Throws: `FileError`, where another run works in the directory or it cannot be written to; nothing in it is touched then.
    public func run(view: ProgressView, until stop: StopSignal) async throws -> (outcome: Outcome, report: RunReport, plot: StreamPlot) {
        let lock = try claimDirectory()
        let end = try await runToItsEnd(view: view, until: stop)
        _ = consume lock
        return end
    }

    private func runToItsEnd(view: ProgressView, until stop: StopSignal) async throws -> (
        outcome: Outcome, report: RunReport, plot: StreamPlot
    ) {
        try prepareDirectory()
        var restarts: [String: Int] = [:], deaths = 0
        while true {
            var (outcome, report, plot) = try await runOnce(view: view, until: stop)
            guard case .interrupted(let name, let byInput) = outcome else {
                report.restarts.merge(restarts, uniquingKeysWith: +)
                return (outcome, report, plot)
            }
            restarts[name, default: 0] += 1
            if !byInput { deaths += 1 }
            if deaths > plan.settings.supervise.maximumRestarts {
                report.restarts.merge(restarts, uniquingKeysWith: +)
                return (.failed("\(name) keeps dying; see \(plan.directory)/logs"), report, plot)
            }
            if stop.isSet { return (.stopped, report, plot) }
            say("\(name) died: the replay begins again, and learning goes on from the newest checkpoint\n")
        }
    }

    private func runOnce(view: ProgressView, until stop: StopSignal) async throws -> (outcome: Outcome, report: RunReport, plot: StreamPlot)
    {
        let began = ContinuousClock.now
        let supervisor = Supervisor(plan.settings.supervise, logs: plan.logs, isRepeatable: plan.isRepeatable)
        let bus = try ZeroMQBus()
        let listener = try bus.subscriber(
            to: [
                Subscription(
                    try plan.settings.allEndpoints(environment),
                    topics: [
                        Topics.status.prefix, Topics.evaluationSummary.prefix, Topics.evaluationDomains.prefix, Topics.modelUpdate.prefix,
                        Topics.modelVerdict.prefix, Topics.triggerLedger.prefix,
                    ])
            ],
            limits: plan.settings.stageOptions.limits)
        let watch = Watch(plan, view: view, began: began, say: say)
        for child in plan.stages { await supervisor.start(child) }

        let outcome = await withTaskGroup(of: Outcome?.self) { group in
            group.addTask { await watch.listen(to: listener) }
            group.addTask { await watch.follow(supervisor) }
            group.addTask { await watch.keepTime(starting: plan.publisher, by: supervisor, until: stop) }
            group.addTask { await watch.endWhatHangs(by: supervisor) }
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

    /// Keeps the run's directory, and the checkpoint's, from every other run.
    private func claimDirectory() throws(FileError) -> DirectoryLock {
        let lock = try DirectoryLock(plan.directory)
        // Children of a run whose supervisor was killed end by themselves, within a moment.
        let patience = Int(clamping: 1000 * (plan.settings.supervise.stopGrace + 2))
        _ = try DirectoryLock(plan.logs, name: Supervised.lock, patience: patience)
        _ = try DirectoryLock(plan.settings.learn.directory, name: Supervised.learnerLock)  // the learner takes it when it starts
        return lock
    }

    private func prepareDirectory() throws {
        try replaceFile(at: plan.settingsFile, with: plan.settings.yaml)
        try plan.begin()
        for child in plan.stages { PassedOver.forget(of: child.name, in: plan.logs) }
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
