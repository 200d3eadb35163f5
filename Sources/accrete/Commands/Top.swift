import ArgumentParser
import Configuration
import Deployment
import Files
import Foundation
import Launch
import Messaging
import Pipeline
import Schema
import Wiring

/// `accrete top`: shows a running graph in the terminal, as the gateway's page does in a browser.
struct Top: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "top", abstract: "Watch a running graph: scores, loss, rates, drops; until control-C.",
        discussion: """
            Examples:
              accrete top
              accrete top --config accrete.yaml --seconds 2
              accrete top --times 1                        one screen, without control sequences where it is no terminal
            """)

    @Option(help: "The configuration file of the running graph; without it, the default settings.") var config: String?
    @Option(name: .customLong("set"), help: "Override a setting: key=value. Repeatable.") var overrides: [String] = []
    @Option(help: "Seconds between screens.") var seconds = 1.0
    @Option(help: "The number of screens; 0: until control-C.") var times = 0

    func validate() throws {
        try check("--seconds", seconds, within: 0.1...waitLimit)
        try check("--times", times, within: 0...countLimit)
    }

    func run() async throws {
        let environment = ProcessInfo.processInfo.environment
        let settings: GraphSettings = try StageArguments.load(config, overrides)
        let topics = [
            Topics.status.prefix, Topics.evaluationSummary.prefix, Topics.modelUpdate.prefix, Topics.modelVerdict.prefix,
            Topics.triggerLedger.prefix,
        ]
        let listener = try settings.openBus().subscriber(
            to: [Subscription(try settings.allEndpoints(environment), topics: topics)], limits: settings.messaging)
        let watcher = GraphWatcher(clock: MonotonicClock())
        let interrupts = Interrupts { listener.cancel() }
        defer { interrupts.cancel() }
        let drawing = Task {
            for turn in 1... {
                try? await Task.sleep(for: .seconds(seconds))  // cancellation ends the loop
                guard !Task.isCancelled else { return }
                try StandardOutput.writeNow(await watcher.screen(TerminalSize.current))
                if turn == times { listener.cancel() }
            }
        }
        for await batch in listener {
            for index in 0..<batch.count { await watcher.take(batch[index]) }
        }
        drawing.cancel()
        if case .failure(let error) = await drawing.result { throw error }
        guard await watcher.hasHeard else {
            throw StartFailure("no status was received; check that the graph is running and that this is its configuration")
        }
    }
}

/// Collects what a graph publishes, and draws it.
private actor GraphWatcher {
    private var record = RunRecord(), view = TopView()
    private let clock: any TimeSource
    private var began: Instant?

    init(clock: any TimeSource) { self.clock = clock }

    var hasHeard: Bool { began != nil }

    /// Takes a message; one of another version is passed over.
    func take(_ message: WireMessage) {
        began = began ?? clock.now
        let topic = message.topic
        if Topics.status.components(of: topic) != nil, let status: Status = try? message.decode() {
            record.take(status)
            view.take(status)
        }
        if Topics.evaluationSummary.components(of: topic) != nil, let summary: EvaluationSummary = try? message.decode() {
            record.take(summary)
        }
        if Topics.modelUpdate.components(of: topic) != nil, let update: ModelUpdate = try? message.decode() { record.take(update) }
        if Topics.modelVerdict.components(of: topic) != nil, let verdict: Verdict = try? message.decode() { record.take(verdict) }
        if Topics.triggerLedger.components(of: topic) != nil, let part: TriggerLedgerPart = try? message.decode() { record.take(part) }
    }

    /// The next screen: in a terminal from its first line on, otherwise as lines.
    func screen(_ size: TerminalSize?) -> String {
        let seconds = began.map { (clock.now - $0).inSeconds } ?? 0
        let lines = view.lines(record, after: seconds, width: size?.columns ?? 120, height: (size?.rows ?? 60) - 1)
        guard size != nil else { return lines.map { $0 + "\n" }.joined() }
        return "\u{1B}[H" + lines.map { $0 + "\u{1B}[K\n" }.joined() + "\u{1B}[J"
    }
}

/// The size of the terminal that standard output is.
struct TerminalSize {
    let columns: Int, rows: Int

    /// Nil where it is no terminal.
    static var current: TerminalSize? {
        var size = winsize()
        guard isatty(STDOUT_FILENO) == 1, ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0, size.ws_row > 0 else {
            return nil
        }
        return TerminalSize(columns: Int(size.ws_col), rows: Int(size.ws_row))
    }
}
