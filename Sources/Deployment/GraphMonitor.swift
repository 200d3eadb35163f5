import Files
import Foundation
import Messaging
import Pipeline
import Schema

/// Monitors a running graph: collects its messages, shows progress, and detects its end and its failures.
actor GraphMonitor {
    private let plan: GraphPlan
    private let began: ContinuousClock.Instant
    private let say: @Sendable (String) -> Void
    private var view: ProgressView
    private var record = RunRecord()
    private var hangs: HangDetector
    /// Whether all stages have said that they run.
    private(set) var hasBegun = false

    init(_ plan: GraphPlan, view: ProgressView, began: ContinuousClock.Instant, say: @escaping @Sendable (String) -> Void) {
        self.plan = plan
        self.view = view
        self.began = began
        self.say = say
        hangs = HangDetector(plan.settings.supervise)
    }

    private var seconds: Double { (ContinuousClock.now - began).inSeconds }

    /// Receives the messages of the stages until the evaluator has finished.
    /// - Parameter untilAllAreDone: whether to wait for the last status of every stage instead.
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
            if Topics.status.components(of: topic) != nil {
                let status: Status = try message.decode()
                record.take(status)
                hangs.receivedStatus(from: Int32(clamping: status.process))
            }
            if Topics.evaluationSummary.components(of: topic) != nil { record.take(try message.decode() as EvaluationSummary) }
            if Topics.modelUpdate.components(of: topic) != nil { record.take(try message.decode() as ModelUpdate) }
            if Topics.modelVerdict.components(of: topic) != nil { record.take(try message.decode() as Verdict) }
            if Topics.triggerLedger.components(of: topic) != nil { record.take(try message.decode() as TriggerLedgerPart) }
            if Topics.evaluationDomains.components(of: topic) != nil { record.take(try message.decode() as DomainSummary) }
        } catch {
            note("a message of a stage cannot be decoded: \(error)")
        }
    }

    /// Shows the events of the supervisor.
    func follow(_ supervisor: Supervisor) async -> GraphRun.Outcome? {
        for await event in supervisor.events {
            switch event {
            case .started(let name, let process, let restarts):
                if name != plan.gateway?.name { hangs.started(name, process) }  // it publishes no status
                if restarts > 0 { note("\(name) was restarted (process \(process), start \(restarts + 1))") }
            case .finished(let name): hangs.ended(name)
            case .failed(let name, let how, let message, let words, let delay):
                hangs.ended(name)
                let cause = message.map { " while processing \($0), which is skipped from now on" } ?? ""
                if plan.isRepeatable, name != plan.gateway?.name {
                    note("\(name) failed (\(how))\(cause). Last line of its log: \(words)")
                    return .interrupted(name, byInput: message != nil)
                }
                note("\(name) failed (\(how))\(cause); it is restarted in \(delay) s. Last line of its log: \(words)")
            case .gaveUp(let name, let how, let words) where name == plan.gateway?.name:
                note("\(name) failed and is not restarted (\(how)): \(words); the graph goes on without it")
            case .gaveUp(let name, let how, let words):
                return .failed("\(name) failed and is not restarted (\(how)): \(words.onOneLine)\(see)")
            }
        }
        return nil
    }

    private var see: String { " (see \(plan.logs))" }

    /// Starts the publisher when all stages have started, and updates the progress view.
    /// - Returns: the outcome when `stop` is set, a stage does not start in time, or no message is processed for too long.
    func keepTime(starting publisher: Supervisor.Child?, by supervisor: Supervisor, until stop: StopSignal) async -> GraphRun.Outcome? {
        let stages = plan.stages.map(\.name), timeout = plan.settings.supervise.startTimeout
        var newest: (activity: UInt64, at: Double) = (0, 0)
        while !Task.isCancelled {
            if stop.isSet { return .stopped }
            hangs.update(at: seconds)
            if !hasBegun, stages.allSatisfy({ record.statuses[$0] != nil }) {
                hasBegun = true
                newest.at = hangs.elapsed
                note("all \(stages.count) stages have started after \(String(format: "%.1f", seconds)) s")
                if let publisher { await supervisor.start(publisher) }
            }
            if !hasBegun, hangs.elapsed > timeout {
                let missing = stages.filter { record.statuses[$0] == nil }
                return .failed("\(missing.joined(separator: ", ")) did not start within \(timeout) s\(see)")
            }
            if hasBegun {
                if record.activity != newest.activity || record.isPausing { newest = (record.activity, hangs.elapsed) }
                if publisher != nil, hangs.elapsed - newest.at > plan.settings.lockstep.patience {
                    return .failed("no message has been processed for \(plan.settings.lockstep.patience) s\(see)")
                }
                draw()
            }
            try? await Task.sleep(for: .milliseconds(250))  // cancellation ends the loop
        }
        return nil
    }

    /// Kills hung processes, so that they are restarted.
    func killHung(by supervisor: Supervisor) async -> GraphRun.Outcome? {
        while !Task.isCancelled {
            for (name, process, hang) in hangs.hanging { await supervisor.kill(name, process: process, because: hang) }
            try? await Task.sleep(for: .seconds(1))  // cancellation ends the loop
        }
        return nil
    }

    private func draw() {
        let text = view.draw(record, after: seconds)
        if !text.isEmpty { say(text) }
    }

    private func note(_ text: String) {
        say(text.onOneLine + "\n")
        view.keep()
    }

    var plot: StreamPlot {
        record.plot(title: "\(plan.source.name): loss of the model and of the frozen baseline, seed \(plan.settings.seed)")
    }

    /// Writes what a page shows of the run, beside its report.
    func writeRecord() {
        do {
            try replaceFile(at: plan.recordFile, with: record.page.text())
        } catch {
            note("the record of the run cannot be written: \(error)")
        }
    }

    func report(after seconds: Double, restarts: [String: Int]) -> RunReport {
        RunReport(record, plan, seconds: seconds, restarts: restarts)
    }
}

extension String {
    /// The text for output in one line: without control characters and line ends, and bounded.
    var onOneLine: String { printable(atMost: 2000) }
}
