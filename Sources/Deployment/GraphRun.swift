import Files
import Foundation
import Messaging
import Pipeline
import Schema
import Statistics
import Synchronization
import Wiring

/// Runs a graph on this machine, from its start to its report.
public struct GraphRun: Sendable {
    /// How a run ended.
    public enum Outcome: Sendable, Equatable {
        /// The whole stream was processed, and the last checkpoint was written.
        case complete
        /// The stop signal was raised.
        case stopped
        case failed(String)
        /// A process of a replay has failed, and the messages in its memory are lost: the graph repeats the stream, and the learner
        /// continues from its newest checkpoint. `run` never returns this outcome.
        /// - Parameter byInput: whether the failure was caused by a message, which is skipped from then on.
        case interrupted(String, byInput: Bool)
    }

    private let plan: GraphPlan
    private let environment: [String: String]
    private let say: @Sendable (String) -> Void

    /// - Parameters:
    ///   - plan: the processes.
    ///   - environment: the environment.
    ///   - say: outputs text for the user.
    public init(_ plan: GraphPlan, environment: [String: String], say: @escaping @Sendable (String) -> Void) {
        self.plan = plan
        self.environment = environment
        self.say = say
    }

    /// Starts the graph, monitors it until it has finished or `stop` is raised, stops it, and makes the report. A replay is repeated when a
    /// process fails.
    /// - Throws: `FileError` if another run uses the directory or it cannot be written to; nothing in it is changed then.
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
        var restarts: [String: Int] = [:], failures = 0
        while true {
            var (outcome, report, plot) = try await runOnce(view: view, until: stop)
            guard case .interrupted(let name, let byInput) = outcome else {
                report.restarts.merge(restarts, uniquingKeysWith: +)
                return (outcome, report, plot)
            }
            restarts[name, default: 0] += 1
            if !byInput { failures += 1 }
            if failures > plan.settings.supervise.maximumRestarts {
                report.restarts.merge(restarts, uniquingKeysWith: +)
                return (.failed("\(name) has failed too often; see \(plan.directory)/logs"), report, plot)
            }
            if stop.isSet { return (.stopped, report, plot) }
            say("\(name) failed: the replay is repeated, and learning continues from the newest checkpoint\n")
        }
    }

    private func runOnce(view: ProgressView, until stop: StopSignal) async throws -> (outcome: Outcome, report: RunReport, plot: StreamPlot)
    {
        let began = ContinuousClock.now
        let supervisor = Supervisor(plan.settings.supervise, logs: plan.logs, isRepeatable: plan.isRepeatable)
        let bus = try plan.settings.openBus()
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
        let monitor = GraphMonitor(plan, view: view, began: began, say: say)
        for child in plan.stages { await supervisor.start(child) }
        if let gateway = plan.gateway {
            unlink(plan.greetingFile)  // belongs to an earlier process
            await supervisor.start(gateway)
        }

        let outcome = await withTaskGroup(of: Outcome?.self) { group in
            group.addTask { await monitor.listen(to: listener) }
            group.addTask { await monitor.follow(supervisor) }
            group.addTask { await monitor.keepTime(starting: plan.publisher, by: supervisor, until: stop) }
            group.addTask { await monitor.killHung(by: supervisor) }
            if plan.hasGateway { group.addTask { await greet(once: monitor) } }
            let first = await group.compactMap { $0 }.first { _ in true }
            group.cancelAll()
            return first ?? .failed("the graph ended without an outcome")
        }
        // The last status of every stage is still to arrive.
        let last = Task { _ = await monitor.listen(to: listener, untilAllAreDone: true) }
        await supervisor.stopAll()
        await Self.wait(for: last, atMost: .seconds(2))
        listener.cancel()
        let seconds = (ContinuousClock.now - began).inSeconds
        let report = await monitor.report(after: seconds, restarts: supervisor.restarts)
        await monitor.writeRecord()
        return (outcome, report, await monitor.plot)
    }

    /// Shows where phones reach the gateway, once it listens and all stages have subscribed: nobody receives what is sent before.
    private func greet(once monitor: GraphMonitor) async -> Outcome? {
        while !Task.isCancelled {
            if await monitor.hasBegun, let bytes = try? readFile(plan.greetingFile, atMost: 1 << 16) {  // missing until it listens
                say(String(decoding: bytes, as: UTF8.self))
                return nil
            }
            try? await Task.sleep(for: .milliseconds(100))  // cancellation ends the loop
        }
        return nil
    }

    private static func wait(for task: Task<Void, Never>, atMost limit: Duration) async {
        let timer = Task {
            try? await Task.sleep(for: limit)  // cancelled if the task finishes first
            task.cancel()
        }
        await task.value
        timer.cancel()
    }

    /// Locks the directories of the run and of the checkpoint against other runs.
    private func claimDirectory() throws(FileError) -> DirectoryLock {
        let lock = try DirectoryLock(plan.directory)
        // Children of a run whose supervisor was killed exit by themselves after a short time.
        let patience = Int(clamping: 1000 * (plan.settings.supervise.stopGrace + 2))
        _ = try DirectoryLock(plan.logs, name: Supervised.lock, patience: patience)
        // Only checked here: the learner locks its directory when it starts.
        _ = try DirectoryLock(plan.settings.learn.directory, name: Supervised.learnerLock)
        return lock
    }

    private func prepareDirectory() throws {
        try replaceFile(at: plan.settingsFile, with: plan.settings.yaml)
        try plan.begin()
        for child in plan.stages { PassedOver.forget(of: child.name, in: plan.logs) }
    }
}

/// Requests the end of a run, for example from a signal handler; it cannot be reset.
public final class StopSignal: Sendable {
    private let isRaised = Mutex(false)

    public init() {}

    public func raise() {
        isRaised.withLock { $0 = true }
    }

    public var isSet: Bool { isRaised.withLock { $0 } }
}
