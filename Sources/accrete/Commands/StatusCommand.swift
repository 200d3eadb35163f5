import Configuration
import ArgumentParser
import Deployment
import Files
import Foundation
import Launch
import Messaging
import Schema
import Statistics
import Wiring

/// `accrete status`: prints the state of a running graph.
struct StatusCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status", abstract: "Show the stages of a running graph: rates, model versions, drops, memory.",
        discussion: """
            Examples:
              accrete status
              accrete status --config accrete.yaml --json
            """)

    @Option(help: "The configuration file of the running graph; without it, the default settings.") var config: String?
    @Option(name: .customLong("set"), help: "Override a setting: key=value. Repeatable.") var overrides: [String] = []
    @Option(help: "How long to receive messages, in seconds.") var seconds = 2.5
    @Flag(help: "Print one JSON object for each stage.") var json = false

    func validate() throws { try check("--seconds", seconds, within: 0...waitLimit) }

    func run() async throws {
        let environment = ProcessInfo.processInfo.environment
        let settings: GraphSettings = try StageArguments.load(config, overrides)
        let listener = try settings.openBus().subscriber(
            to: [Subscription(try settings.allEndpoints(environment), topics: [Topics.status.prefix])], limits: settings.messaging)
        let timer = Task {
            try? await Task.sleep(for: .seconds(seconds))  // it is never cancelled
            listener.cancel()
        }
        var first: [String: Status] = [:], last: [String: Status] = [:]
        for await batch in listener {
            for index in 0..<batch.count {
                guard let status: Status = try? batch[index].decode() else { continue }  // a stage of another version
                first[status.stage] = first[status.stage] ?? status
                last[status.stage] = status
            }
        }
        await timer.value
        guard !last.isEmpty else {
            throw StartFailure(
                "no status was received within \(seconds) s; check that the graph is running and that this is its configuration")
        }
        for name in last.keys.sorted() {
            guard let status = last[name], let before = first[name] else { continue }
            print(json ? try status.jsonString() : status.line(since: before))
        }
        let silent = settings.stageNames.filter { last[$0] == nil }
        guard !silent.isEmpty else { return }
        StandardError.write(
            """
            no status within \(seconds) s from \(silent.joined(separator: ", ")): busy with a step or a large model (--seconds), or not running

            """)
    }
}

extension Status {
    /// A line with rates since `earlier`, version, drops and memory.
    func line(since earlier: Status) -> String {
        let span = Double(secondsIn: stamp.time.clampedSubtracting(earlier.stamp.time))
        func rate(_ now: [String: UInt64], _ then: [String: UInt64]) -> Double {
            let (sum, before) = (
                now.values.reduce(UInt64(0)) { $0.clampedAdding($1) }, then.values.reduce(UInt64(0)) { $0.clampedAdding($1) }
            )
            return span > 0 ? Double(sum - min(before, sum)) / span : 0
        }
        let lost = drops.filter { $0.value > 0 }.sorted { $0.key < $1.key }.map { "\(printable($0.key)) \($0.value)" }.joined(
            separator: ", ")
        let reliabilities = gauges.filter { $0.key.hasPrefix("reliability.") }.sorted { $0.key < $1.key }
            .map { "\(printable(String($0.key.dropFirst("reliability.".count)))) " + String(format: "%.2f", $0.value) }.joined(
                separator: ", ")
        let spent = gauges["privacyEpsilon"].map {
            String(format: "  epsilon %.3f of %g", $0, gauges["privacyBudget"] ?? 0) + (gauges["privacySpent"] == 1 ? ", spent" : "")
        }
        return printable(stage).padding(toLength: 16, withPad: " ", startingAt: 0)
            + String(
                format: "in %8.1f/s  out %8.1f/s  model %6llu  memory %5llu MB  ", rate(received, earlier.received),
                rate(sent, earlier.sent), modelVersion, peakMemory >> 20)
            + "drops " + (lost.isEmpty ? "none" : lost) + (reliabilities.isEmpty ? "" : "  reliability " + reliabilities) + (spent ?? "")
    }
}
