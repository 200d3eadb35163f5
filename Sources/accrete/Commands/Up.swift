import ArgumentParser
import Deployment
import Files
import Forgetting
import Foundation
import Launch
import Pipeline
import Signals

/// `accrete up`: runs a whole graph on this machine.
struct Up: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Run the whole graph on a simulated AR session, a recorded session, or the readings of your own publishers.",
        discussion: """
            Examples:
              accrete up                                   a simulated session, then a report
              accrete up --session DIR --mode lockstep --report report.json
                                                           a recorded session, without loss
              accrete up accrete.yaml --outside            your own publishers, until you press control-C
              accrete up --outside --phone                 a phone's camera, microphone and words
            """)

    @Argument(help: "The configuration file; without it, all settings have their defaults.") var config: String?
    @Option(help: "A session to replay: a directory (session.jsonl and the files it names), or an MCAP file.") var session: String?
    @Option(help: "live: drop and count what cannot be processed in time; lockstep: wait, and drop nothing.") var mode: Mode?
    @Option(help: "Write the report as JSON to this file.") var report: String?
    @Option(help: "Write a plot of the loss over the stream, with updates and drifts marked, as SVG to this file.") var plot: String?
    @Option(name: .customLong("set"), help: "Override a setting: key=value. Repeatable.") var overrides: [String] = []
    @Option(help: "The seed of all random choices.") var seed: Int?
    @Option(
        help: """
            The directory for settings, logs, checkpoint and report; a further run in it continues from its newest checkpoint. Without it, \
            runs/default, with --outside runs/live, and with --session a new one.
            """)
    var directory: String?
    @Flag(help: "Start no publisher; wait for your own.") var outside = false
    @Flag(help: "Also start the web server for phones and browsers, and print its address and access code.") var phone = false
    @Flag(help: "Print the report as JSON on standard output, and progress on standard error.") var json = false

    func validate() throws {
        if outside, session != nil {
            throw ValidationError("--outside and --session exclude each other: for a session its own publisher is started.")
        }
    }

    func run() async throws {
        signal(SIGPIPE, SIG_IGN)  // the reader of the output may exit
        let environment = ProcessInfo.processInfo.environment
        let source: GraphPlan.Source = outside ? .outside : session.map { .session($0) } ?? .simulator
        var plan = try plan(source, environment)
        plan.hasGateway = phone
        // What was decided to be forgotten is forgotten before anything is read.
        try await rethrowingStartFailure { [plan] in try ForgettingChange(of: plan.directory)?.finish() }
        let toError = json
        let say: @Sendable (String) -> Void = { text in
            if toError { StandardError.write(text) } else { try? StandardOutput.writeNow(text) }  // the run continues without output
        }
        say(plan.introduction)
        let stop = StopSignal()
        let signals = Interrupts { stop.raise() }
        defer { signals.cancel() }
        let view = ProgressView(isTerminal: isatty(toError ? STDERR_FILENO : STDOUT_FILENO) == 1)
        let run = GraphRun(plan, environment: environment, say: say)
        let (outcome, report, drawing) = try await rethrowingStartFailure { try await run.run(view: view, until: stop) }
        let unwritten = write(report, drawing, of: plan)
        if json || unwritten != nil { try await rethrowingStartFailure { try StandardOutput.writeNow(report.json) } }
        say(
            report.summary
                + "report:     \(unwritten == nil ? self.report ?? plan.reportFile : "printed, because it could not be written")\n")
        if let unwritten { throw StartFailure("\(unwritten)") }
        switch outcome {
        case .complete:
            if let nothing = report.nothingLearned, nothing.came > 0 { throw StartFailure("nothing was learned: \(nothing.why)") }
        case .stopped:
            if source == .outside { return }
            throw StartFailure("stopped before the end of the session; the report covers the part processed so far")
        case .failed(let reason), .interrupted(let reason, _): throw StartFailure(reason)
        }
    }

    /// Makes the plan and checks that the report and the plot can be written; it changes no file.
    private func plan(_ source: GraphPlan.Source, _ environment: [String: String]) throws(StartFailure) -> GraphPlan {
        var overrides = overrides
        if let mode { overrides.append("mode=\(mode.rawValue)") }
        if let seed { overrides.append("seed=\(seed)") }
        do {
            let plan = try GraphPlan.make(source, config: config, overrides: overrides, directory: directory, environment: environment)
            for path in [report, plot, plan.reportFile].compactMap(\.self) where !isInNewDirectory(path, of: plan) {
                try checkReplaceable(path)
            }
            return plan
        } catch let refusal as SignalRefusal {
            throw StartFailure("--session: \(refusal.detail)")
        } catch {
            throw StartFailure("\(error)")
        }
    }

    /// Whether a path lies in the directory of the run and this does not exist yet.
    private func isInNewDirectory(_ path: String, of plan: GraphPlan) -> Bool {
        FileKind(of: plan.directory) == nil && URL(fileURLWithPath: path).standardizedFileURL.path.hasPrefix(plan.directory + "/")
    }

    /// Writes the report and the plot to all files.
    /// - Returns: the error of the first that could not be written.
    private func write(_ report: RunReport, _ drawing: StreamPlot, of plan: GraphPlan) -> (any Error)? {
        var first: (any Error)?
        func attempt(_ body: () throws -> Void) {
            do { try body() } catch { first = first ?? error }
        }
        attempt { try plan.finish(with: report) }
        if let path = self.report { attempt { try replaceFile(at: path, with: report.json) } }
        if let plot { attempt { try replaceFile(at: plot, with: drawing.svg) } }
        return first
    }

    /// Converts any error to a `StartFailure` with its description.
    private func rethrowingStartFailure<Result>(_ body: () async throws -> Result) async throws(StartFailure) -> Result {
        do {
            return try await body()
        } catch {
            throw StartFailure("\(error)")
        }
    }
}

extension Mode: ExpressibleByArgument {}
