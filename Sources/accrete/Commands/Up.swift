import ArgumentParser
import Configuration
import Deployment
import Files
import Forgetting
import Foundation
import Launch
import Pipeline
import Signals
import StrictJSON

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
              accrete up --outside --hosts ingest=edge.example,fuse=gpu.example --engine systemd --directory units \
                --set security.keys=/etc/accrete/keys      starts nothing; writes what systemd, Slurm or Kubernetes starts
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
    @Option(
        help: ArgumentHelp(
            """
            Start nothing, and write into --directory what an engine starts on several hosts: stage=host, separated by commas, of ingest, fuse, \
            learn, evaluate. Stages that are not named run where ingest does, extractors where fuse does.
            """, valueName: "stage=host,…"))
    var hosts: String?
    @Option(help: "What starts a graph on several hosts: \(engines.map { $0.name }.joined(separator: ", ")).") var engine = engines[0].name
    @Option(help: ArgumentHelp("The directory of the executables on each of these hosts.", valueName: "directory"))
    var executables = "/usr/local/bin"
    @Flag(help: "Print the report as JSON on standard output, and progress on standard error.") var json = false

    func validate() throws {
        if outside, session != nil {
            throw ValidationError("--outside and --session exclude each other: for a session its own publisher is started.")
        }
        guard engines.contains(where: { $0.name == engine }) else {
            throw ValidationError("--engine is \(engines.map { $0.name }.joined(separator: ", or ")).")
        }
        guard hosts != nil else { return }
        guard outside else { throw ValidationError("--hosts wants --outside: a graph on several hosts has publishers of your own.") }
        guard directory != nil else { throw ValidationError("--hosts wants a --directory for what is written.") }
        guard executables.hasPrefix("/"), !executables.contains(where: { $0.isWhitespace || $0 == "'" || $0 == "\"" || $0 == "%" }) else {
            throw ValidationError("--executables is an absolute path without spaces.")
        }
    }

    func run() async throws {
        signal(SIGPIPE, SIG_IGN)  // the reader of the output may exit
        let environment = ProcessInfo.processInfo.environment
        if let hosts { return try writePlan(hosts, environment) }
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
        Supervision.onSupervisorExit { stop.raise() }  // whoever started it and named itself has ended
        Supervision.begin()
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

    /// Writes the settings of a graph on several hosts, and what its engine starts.
    private func writePlan(_ hosts: String, _ environment: [String: String]) throws {
        guard let engine = engines.first(where: { $0.name == engine }), let directory else { return }  // checked before
        try rethrowingStartFailure {
            let reading = try GraphSettings.read(path: config, environment: environment, overrides: overrides)
            let plan = try HostPlan(reading.settings, hosts: hosts)
            var files = engine.files(plan, executables: executables)
            files["settings.yaml"] = try plan.settings.yaml
            for (path, text) in files.sorted(by: { $0.key < $1.key }) {
                let file = "\(directory)/\(path)"
                try FileManager.default.createDirectory(
                    at: URL(fileURLWithPath: file).deletingLastPathComponent(), withIntermediateDirectories: true)
                try replaceFile(at: file, with: text)
            }
            let names = files.keys.sorted()
            if json {
                try StandardOutput.writeNow(
                    JSON.object(["directory": .string(directory), "files": .array(names.map { .string($0) })]).text() + "\n")
            } else {
                let lines =
                    names.map { "wrote \(directory)/\($0)" }
                    + engine.steps(plan, directory: directory).enumerated().map { "\($0 + 1). \($1)" }
                try StandardOutput.writeNow(lines.joined(separator: "\n") + "\n")
            }
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
    private func rethrowingStartFailure<Result>(_ body: () throws -> Result) throws(StartFailure) -> Result {
        do {
            return try body()
        } catch {
            throw StartFailure("\(error)")
        }
    }

    private func rethrowingStartFailure<Result>(_ body: () async throws -> Result) async throws(StartFailure) -> Result {
        do {
            return try await body()
        } catch {
            throw StartFailure("\(error)")
        }
    }
}

extension Mode: ExpressibleByArgument {}
