import ArgumentParser
import Deployment
import Foundation
import Launch
import Pipeline
import Signals
import Stages

/// `accrete up`: the whole graph on this machine.
struct Up: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Run the whole graph: a simulated AR session, a recorded one, or your own publishers.",
        discussion: """
            Examples:
              accrete up                                   the embedded default: a simulated session, then a report
              accrete up --session DIR --mode lockstep --report report.json
                                                           a recorded session, losing nothing
              accrete up accrete.yaml --outside            your own publishers, until you press control-C
            """)

    @Argument(help: "The configuration file; without it, the defaults.") var config: String?
    @Option(help: "A session directory to replay (session.jsonl and the files it names).") var session: String?
    @Option(help: "live: keep up and count what is dropped; lockstep: lose nothing.") var mode: Mode?
    @Option(help: "Write the report, as JSON, to this file.") var report: String?
    @Option(help: "Draw the loss over the stream, with updates and drifts marked, as an SVG into this file.") var plot: String?
    @Option(name: .customLong("set"), help: "Override a setting: key=value. Repeatable.") var overrides: [String] = []
    @Option(help: "Fixes every random choice.") var seed: Int?
    @Option(help: "Keep settings, logs, checkpoint and report of this run here; a run in the same place goes on from its newest checkpoint.")
    var directory: String?
    @Flag(help: "Start no publisher: wait for yours.") var outside = false
    @Flag(help: "Print the report as JSON on standard output, and progress on standard error.") var json = false

    func validate() throws {
        if outside, session != nil { throw ValidationError("--outside and --session exclude each other: a session brings its own publisher.") }
    }

    func run() async throws {
        let environment = ProcessInfo.processInfo.environment
        let source: GraphPlan.Source = outside ? .outside : session.map { .session($0) } ?? .simulator
        var overrides = overrides
        if let mode { overrides.append("mode=\(mode.rawValue)") }
        if let seed { overrides.append("seed=\(seed)") }
        let plan: GraphPlan
        do {
            plan = try GraphPlan.make(source, config: config, overrides: overrides, directory: directory, environment: environment)
        } catch let refusal as SignalRefusal {
            throw StartFailure("--session: \(refusal.detail)")
        } catch {
            throw StartFailure("\(error)")
        }
        let toError = json
        let say: @Sendable (String) -> Void = { FileHandle(fileDescriptor: toError ? 2 : 1, closeOnDealloc: false).write(Data($0.utf8)) }
        say(plan.introduction)
        let stop = StopSignal()
        let signals = Interrupts { stop.raise() }
        defer { signals.cancel() }
        let view = ProgressView(isTerminal: isatty(toError ? 2 : 1) == 1)
        let (outcome, report, drawing) = try await GraphRun(plan, environment: environment, say: say).run(view: view, until: stop)
        try plan.finish(with: report)
        if let path = self.report { try report.json.write(toFile: path, atomically: true, encoding: .utf8) }
        if let plot { try drawing.svg.write(toFile: plot, atomically: true, encoding: .utf8) }
        if json { print(try report.json, terminator: "") }
        say(report.summary + "report:     \(self.report ?? plan.directory + "/report.json")\n")
        switch outcome {
        case .complete: return
        case .stopped:
            if source == .outside { return }
            throw StartFailure("stopped before the session was done; the report holds what there is")
        case .failed(let reason), .interrupted(let reason): throw StartFailure(reason)
        }
    }
}

extension Mode: ExpressibleByArgument {}
