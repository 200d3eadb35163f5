import Statistics
import Configuration
import ArgumentParser
import Foundation
import Launch
import Messaging
import Pipeline
import Playback
import Recordings
import Schema
import Signals
import Wiring

/// `accrete explain`: prints the contribution of each sense to a prediction.
struct Explain: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Print the contribution of each sense to the prediction of a moment, in nats of the answer's log-probability.",
        discussion: """
            A moment's id is <session>/<end in nanoseconds>, as shown by `accrete tap prediction.`. A running graph explains its newest
            moments (fuse.remembered). With --directory, the session of a finished run is replayed to the moment, which is explained with
            the run's last checkpoint.
            Examples:
              accrete explain --moment table/12400000000
              accrete explain --moment table/12400000000 --directory runs/default
              accrete explain --moment av3mnist/7600000000 --directory runs/mine --session DIR --json
            """)

    @Option(help: "The moment's id.") var moment: String
    @Option(help: "The directory of a finished run, with its settings and its checkpoint.") var directory: String?
    @Option(help: "The session of that run, a directory or an MCAP file; without it, the simulated session.") var session: String?
    @Option(help: "The configuration file of the running graph; without it, the default settings.") var config: String?
    @Option(name: .customLong("set"), help: "Override a setting: key=value. Repeatable.") var overrides: [String] = []
    @Option(help: "How long to wait for the answer of the running graph, in seconds.") var seconds = 5.0
    @Flag(help: "Print one JSON object.") var json = false

    func validate() throws {
        try check("--seconds", seconds, within: 0...waitLimit)
        guard moment.split(separator: "/").count == 2 else {
            throw ValidationError(
                "--moment must be <session>/<end in nanoseconds>, not '\(moment)'; `accrete tap prediction.` shows ids.")
        }
        if session != nil, directory == nil { throw ValidationError("--session requires --directory, the directory of the run.") }
    }

    func run() async throws {
        let explanation: MomentExplanation
        if let directory { explanation = try recorded(directory) } else { explanation = try await requested() }
        guard explanation.problem.isEmpty else { throw StartFailure(explanation.problem) }
        print(json ? try explanation.jsonString() : explanation.text)
    }

    /// Replays the session to the moment, and explains it with the run's last checkpoint.
    private func recorded(_ directory: String) throws -> MomentExplanation {
        let settings: GraphSettings = try StageArguments.load(directory + "/settings.yaml", overrides)
        let recording = try session.map { try Recording(path: $0) }
        let events: AnySequence<Result<SessionEvent, SessionRefusal>>
        if let recording {
            events = AnySequence(try recording.events())
        } else {
            var simulator = try Simulator(seed: UInt64(settings.seed), settings.simulate.world)
            let count = settings.simulate.moments > 0 ? settings.simulate.moments : Int.max
            events = AnySequence((0..<count).lazy.flatMap { _ in simulator.next().events.map { .success($0) } })
        }
        let wanted = self.moment.split(separator: "/").last.flatMap { Int64($0) } ?? 0
        for (moment, input) in try RecordedMoments(events, directory: recording?.directory, settings) {
            // A simulated session may have no end.
            if recording == nil, moment.end > wanted { break }
            guard moment.id == self.moment else { continue }
            let own = settings.learn.directory
            return try MomentExplanation(moment, input, checkpoint: own.isEmpty ? directory + "/checkpoint" : own, settings)
        }
        throw StartFailure("the session has no moment \(moment); `accrete tap prediction.` shows ids while the session is replayed")
    }

    /// Requests the explanation from the running graph, repeatedly, because a request published before ingest has subscribed is lost.
    private func requested() async throws -> MomentExplanation {
        let environment = ProcessInfo.processInfo.environment
        let settings: GraphSettings = try StageArguments.load(config, overrides)
        let bus = try settings.openBus()
        let request = ExplainRequest.with {
            $0.session = String(moment.split(separator: "/")[0]); $0.moment = moment
        }
        let topic = try Topics.explain(request.session)
        let listener = try bus.subscriber(
            to: [Subscription(try settings.allEndpoints(environment), topics: [try Topics.explanation(request.session).name])],
            limits: settings.messaging)
        let publisher = try bus.publisher(.connect, try settings.sensors(environment), options: PublisherOptions())
        var outbox = Outbox(source: "explain-\(getpid())", epoch: UInt64(clamping: WallClock().now.nanoseconds), clock: MonotonicClock())
        defer {
            listener.cancel()
            publisher.close()
        }
        for turn in 0..<max(1, Int(seconds / 0.05)) {
            if turn % 5 == 0 { try outbox.append(Outgoing(request, on: topic)) }
            try publisher.service()
            try outbox.flush(to: publisher)
            try await Task.sleep(for: .milliseconds(50))
            guard let batch = listener.takeIfReady() else { continue }
            for index in 0..<batch.count {
                // an answer to another request
                guard let answer: MomentExplanation = try? batch[index].decode(), answer.moment == moment else { continue }
                return answer
            }
        }
        throw StartFailure(
            "no answer within \(seconds) s; check that the graph is running and that this is its configuration. "
                + "For a finished run, give --directory.")
    }
}

extension MomentExplanation {
    /// The explanation as text: the answer, and a row for each modality, the one with the largest contribution first.
    var text: String {
        func percent(_ share: Float) -> String { String(format: "%5.1f %%", 100 * share) }
        func nats(_ number: Double?) -> String { number.map { String(format: "%+7.3f", $0) } ?? "      –" }
        let probability = Int(label) < probabilities.count ? probabilities[Int(label)] : 0
        var lines = [
            "\(printable(moment)): class \(label), probability \(percent(probability).trimmingCharacters(in: .whitespaces))"
                + (modelVersion > 0 ? ", model \(modelVersion)" : "")
                + (predictedVersion != modelVersion ? "; predicted by model \(predictedVersion) as class \(predictedLabel)" : "")
        ]
        lines.append("modality   weight   without it  Shapley  alone")
        let names = experts.keys.sorted {
            (contributions.shapley[$0] ?? contributions.marginal[$0] ?? 0, $0) > (
                contributions.shapley[$1] ?? contributions.marginal[$1] ?? 0, $1
            )
        }
        for name in names {
            let own = experts[name]?.probabilities ?? []
            let answer = own.argmax ?? 0
            lines.append(
                printable(name).padding(toLength: 10, withPad: " ", startingAt: 0) + percent(weights[name] ?? 0) + "     "
                    + nats(contributions.marginal[name]) + "  " + nats(contributions.shapley[name]) + "  class \(answer)"
                    + (own.isEmpty ? "" : ", " + percent(own[answer]).trimmingCharacters(in: .whitespaces)))
        }
        for name in contributions.muted { lines.append("\(printable(name)) was muted because its reliability was too low") }
        for map in contributions.attention {
            lines.append("attention weights, \(printable(map.name)):")
            // The count of weights may differ from rows times columns in a message that is not valid.
            let columns = max(1, Int(map.columns))
            for start in stride(from: 0, to: map.weights.count, by: columns) {
                let row = map.weights[start..<min(start + columns, map.weights.count)]
                lines.append("  " + row.map { String(format: "%.3f", $0) }.joined(separator: " "))
            }
        }
        return lines.joined(separator: "\n")
    }
}
