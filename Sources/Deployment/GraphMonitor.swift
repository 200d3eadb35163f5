import Files
import Foundation
import Messaging
import Pipeline
import Schema
import Stages

/// What is seen of a running graph.
actor Watch {
    private let plan: GraphPlan
    private let began: ContinuousClock.Instant
    private let say: @Sendable (String) -> Void
    private var view: ProgressView
    private var record = RunRecord()
    private var life: LifeSigns

    init(_ plan: GraphPlan, view: ProgressView, began: ContinuousClock.Instant, say: @escaping @Sendable (String) -> Void) {
        self.plan = plan
        self.view = view
        self.began = began
        self.say = say
        life = LifeSigns(plan.settings.supervise)
    }

    private var seconds: Double { (ContinuousClock.now - began).inSeconds }

    /// Takes in what the stages tell, until the evaluator has seen the end.
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
                life.heard(process: Int32(clamping: status.process))
            }
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
                life.started(name, process)
                if restarts > 0 { note("\(name) is back (process \(process), start \(restarts + 1))") }
            case .finished(let name): life.ended(name)
            case .died(let name, let how, let message, let words, let delay):
                life.ended(name)
                let cause = message.map { " by \($0), which is passed over from now on" } ?? ""
                if plan.isRepeatable {
                    note("\(name) died (\(how))\(cause). Its last words: \(words)")
                    return .interrupted(name, byInput: message != nil)
                }
                note("\(name) died (\(how))\(cause); it starts again in \(delay) s. Its last words: \(words)")
            case .gaveUp(let name, let how, let words): return .failed("\(name) was given up (\(how)): \(words.onOneLine)\(see)")
            }
        }
        return nil
    }

    private var see: String { " (see \(plan.logs))" }

    /// Starts the publisher when every stage is there; draws; ends the run when told, or when nothing moves.
    func keepTime(starting publisher: Supervisor.Child?, by supervisor: Supervisor, until stop: StopSignal) async -> GraphRun.Outcome? {
        let stages = plan.stages.map(\.name), timeout = plan.settings.supervise.startTimeout
        var hasBegun = false
        var newest: (activity: UInt64, at: Double) = (0, 0)
        while !Task.isCancelled {
            if stop.isSet { return .stopped }
            life.look(at: seconds)
            if !hasBegun, stages.allSatisfy({ record.statuses[$0] != nil }) {
                hasBegun = true
                newest.at = life.watched
                note("all \(stages.count) stages are up after \(String(format: "%.1f", seconds)) s")
                if let publisher { await supervisor.start(publisher) }
            }
            if !hasBegun, life.watched > timeout {
                let missing = stages.filter { record.statuses[$0] == nil }
                return .failed("\(missing.joined(separator: ", ")) did not come up within \(timeout) s\(see)")
            }
            if hasBegun {
                if record.activity != newest.activity || record.isPausing { newest = (record.activity, life.watched) }
                if publisher != nil, life.watched - newest.at > plan.settings.lockstep.patience {
                    return .failed("nothing has moved for \(plan.settings.lockstep.patience) s\(see)")
                }
                draw()
            }
            try? await Task.sleep(for: .milliseconds(250))  // cancellation ends the loop
        }
        return nil
    }

    /// Kills processes that tell nothing any more, so that they are started again.
    func endWhatHangs(by supervisor: Supervisor) async -> GraphRun.Outcome? {
        while !Task.isCancelled {
            for (name, process, hang) in life.hanging { await supervisor.kill(name, process: process, because: hang) }
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

    var plot: StreamPlot { record.plot(title: "\(plan.source.name): loss of the model and of its frozen twin, seed \(plan.settings.seed)") }

    func report(after seconds: Double, restarts: [String: Int]) -> RunReport {
        RunReport(record, plan, seconds: seconds, restarts: restarts)
    }
}

extension String {
    /// The text as it can be shown in a line: without anything that would move the cursor or end the line, and bounded.
    var onOneLine: String { printable(atMost: 2000) }
}
