import Statistics
import Configuration
import ArgumentParser
import Deployment
import Files
import Foundation
import Launch
import Messaging
import Pipeline
import Playback
import Recordings
import Schema
import Signals
import Wiring

/// `accrete explain`: prints the contribution of each sense, and of its parts, to a prediction; or what moved a version of the model.
struct Explain: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Print what each sense, patch, frame and word gave to a prediction, or what moved a version of the model.",
        discussion: """
            A moment's id is <session>/<end in nanoseconds>, as shown by `accrete tap prediction.`. A running graph explains its newest
            moments (fuse.remembered). With --directory, the session of a finished run is replayed to the moment, which is explained with
            the run's last checkpoint. The contribution of a part is what the answer loses without it: ln p of the answer with everything
            minus ln p without the part. --picture draws them: a heat map over the camera's picture, bars of the sound, shaded words.
            With --update, it prints which moments and sessions moved a version of the model, and what it got better and worse at, as the
            learner of a run has written it beside its newest checkpoint (learn.influenceEvery). A gain is what the version's steps without
            a moment, or without all that came from a session, cost on old moments, in nats.
            Examples:
              accrete explain --moment table/3526446220
              accrete explain --moment table/3526446220 --directory runs/default --picture why.svg
              accrete explain --update newest --directory runs/live
              accrete explain --moment av3mnist/7600000000 --directory runs/mine --session DIR --json
            """)

    @Option(help: "The moment's id.") var moment: String?
    @Option(help: "A version of the model, or 'newest': what moved it. Reads --directory, by default runs/default.") var update: String?
    @Option(help: "The directory of a finished run, with its settings and its checkpoint.") var directory: String?
    @Option(help: "The session of that run, a directory or an MCAP file; without it, the simulated session.") var session: String?
    @Option(help: "The configuration file of the running graph; without it, the default settings.") var config: String?
    @Option(name: .customLong("set"), help: "Override a setting: key=value. Repeatable.") var overrides: [String] = []
    @Option(help: "How long to wait for the answer of the running graph, in seconds.") var seconds = 5.0
    @Option(help: "Write the explanation as a picture (SVG) to this file.") var picture: String?
    @Flag(help: "Print one JSON object.") var json = false

    func validate() throws {
        try check("--seconds", seconds, within: 0...waitLimit)
        guard (moment == nil) != (update == nil) else { throw ValidationError("give either --moment or --update.") }
        if let update, update != "newest", UInt64(update) == nil {
            throw ValidationError("--update must be a version or 'newest', not '\(update)'.")
        }
        if update != nil, picture != nil || session != nil { throw ValidationError("--picture and --session want --moment.") }
        guard let moment else { return }
        guard moment.split(separator: "/").count == 2 else {
            throw ValidationError(
                "--moment must be <session>/<end in nanoseconds>, not '\(moment)'; `accrete tap prediction.` shows ids.")
        }
        if session != nil, directory == nil { throw ValidationError("--session requires --directory, the directory of the run.") }
    }

    func run() async throws {
        if let update { return try ExplainedUpdateText.show(update, of: directory ?? "runs/default", json: json) }
        let moment = moment ?? ""
        var explanation: MomentExplanation, photo: ExplanationPicture.Photo?
        let settings: GraphSettings
        if let directory {
            settings = try StageArguments.load(directory + "/settings.yaml", overrides)
            (explanation, photo) = try recorded(moment, directory, settings)
        } else {
            settings = try StageArguments.load(config, overrides)
            explanation = try await requested(moment, settings)
        }
        guard explanation.problem.isEmpty else { throw StartFailure(explanation.problem) }
        if let picture {
            let features = explanation.parts["image"]?.features ?? []
            photo = photo ?? ImageModality.picture(of: features, settings.signals.image).map { .init(format: "image/png", bytes: $0) }
            try replaceFile(at: picture, with: ExplanationPicture(explanation, photo: photo).svg)
        }
        for modality in explanation.parts.keys { explanation.parts[modality]?.features = [] }
        print(json ? try explanation.jsonString() : explanation.text(frameSeconds: settings.signals.audio.rowSeconds))
    }

    /// Replays the session to the moment, and explains it with the run's last checkpoint.
    /// - Returns: the explanation, and the camera's newest picture of the moment as it was recorded.
    private func recorded(
        _ id: String, _ directory: String, _ settings: GraphSettings
    ) throws -> (MomentExplanation, photo: ExplanationPicture.Photo?) {
        let recording = try session.map { try Recording(path: $0) }
        let events: AnySequence<Result<SessionEvent, SessionRefusal>>
        if let recording {
            events = AnySequence(try recording.events())
        } else {
            var simulator = try Simulator(seed: UInt64(settings.seed), settings.simulate.world)
            let count = settings.simulate.moments > 0 ? settings.simulate.moments : Int.max
            events = AnySequence((0..<count).lazy.flatMap { _ in simulator.next().events.map { .success($0) } })
        }
        let album = Album()
        let watched = events.lazy.map { event in
            if case .success(.reading(let reading)) = event, reading.modality == ImageModality.name { album.add(reading) }
            return event
        }
        let wanted = id.split(separator: "/").last.flatMap { Int64($0) } ?? 0
        var before: String?, after: String?
        for (moment, input) in try RecordedMoments(watched, directory: recording?.directory, settings) {
            guard moment.id == id else {
                if moment.session == id.prefix(while: { $0 != "/" }) {
                    if moment.end <= wanted { before = moment.id } else { after = after ?? moment.id }
                }
                // A simulated session may have no end.
                if recording == nil, moment.end > wanted { break }
                continue
            }
            let own = settings.learn.directory
            let checkpoint = own.isEmpty ? directory + "/checkpoint" : own
            let photo = album.newest(of: moment, in: recording?.directory)
            return (try MomentExplanation(moment, input, checkpoint: checkpoint, settings), photo)
        }
        let nearest = [before, after].compactMap(\.self).joined(separator: " and ")
        throw StartFailure(
            "the session has no moment \(id)" + (nearest.isEmpty ? ", and none of that session" : "; the nearest are \(nearest)"))
    }

    /// The newest pictures of a session that is replayed.
    private final class Album {
        private var readings: [SessionEvent.Reading] = []

        func add(_ reading: SessionEvent.Reading) {
            readings.append(reading)
            if readings.count > 16 { readings.removeFirst() }
        }

        /// The newest picture in a moment, as a file that a page can show; nil if there is none.
        func newest(of moment: Moment, in directory: SessionDirectory?) -> ExplanationPicture.Photo? {
            let own = readings.last { $0.session == moment.session && (moment.start...max(moment.start, moment.end)).contains($0.time) }
            guard let own else { return nil }
            let loaded: RawReading?
            if case .payload(let raw) = own.content { loaded = raw } else { loaded = try? directory?.load(own) }
            guard let loaded, let file = try? ImageModality.file(of: loaded) else { return nil }
            return .init(format: file.ending == "png" ? "image/png" : "image/jpeg", bytes: file.bytes)
        }
    }

    /// Requests the explanation from the running graph, repeatedly, because a request published before ingest has subscribed is lost.
    private func requested(_ moment: String, _ settings: GraphSettings) async throws -> MomentExplanation {
        let environment = ProcessInfo.processInfo.environment
        let bus = try settings.openBus()
        let request = ExplainRequest.with {
            ($0.session, $0.moment) = (String(moment.split(separator: "/")[0]), moment)
            ($0.parts, $0.features) = (true, picture != nil)
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
    /// The explanation as text: the answer, a row for each modality, the one with the largest contribution first, and the parts that gave
    /// most.
    /// - Parameter frameSeconds: the duration of a row of a sound; nil where it is not known.
    func text(frameSeconds: Double?) -> String {
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
        lines += partLines(frameSeconds)
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

    /// The parts that speak for the answer most, and those that speak against it, in words.
    private func partLines(_ frameSeconds: Double?) -> [String] {
        struct Named {
            var text: String, nats: Double
        }
        let all = parts.flatMap { name, own in
            own.nats.indices.map { Named(text: place($0, of: own, name, frameSeconds), nats: Double(own.nats[$0])) }
        }
        func list(_ named: [Named]) -> String {
            named.prefix(5).map { $0.text + String(format: " (%+.2f)", $0.nats) }.joined(separator: ", ")
        }
        let ranked = all.filter(\.nats.isFinite).sorted { ($1.nats, $0.text) < ($0.nats, $1.text) }
        var lines: [String] = []
        let helped = ranked.filter { $0.nats > 0.005 }, harmed = ranked.reversed().filter { $0.nats < -0.005 }
        if !helped.isEmpty { lines.append("rests on: " + list(helped)) }
        if !harmed.isEmpty { lines.append("against it: " + list(harmed)) }
        return lines
    }

    /// Which part it is: a word, the place of a patch, the time of a frame.
    private func place(_ index: Int, of own: PartContributions, _ name: String, _ frameSeconds: Double?) -> String {
        if index < own.words.count { return "word '\(printable(own.words[index]))'" }
        if name == ImageModality.name, let grid = ExplanationPicture.grid(own.nats.count) {
            return "patch at row \(index / grid + 1), column \(index % grid + 1) of \(grid) × \(grid)"
        }
        if name == AudioModality.name, let frameSeconds {
            return String(format: "sound at %.2f s", Double(index) * frameSeconds)
        }
        return "row \(index + 1) of \(printable(name))"
    }
}
