import ArgumentParser
import Configuration
import Deployment
import Files
import Foundation
import Messaging
import Pipeline
import Schema
import Signals
import Synchronization
import Wiring

/// Measures, through a whole running graph, how long a spoken question waits for its answer, and a picture for its prediction.
struct AnswersBench: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "answers",
        abstract: "Seconds from the end of a spoken question to its answer, and from a picture to its prediction.",
        discussion: """
            Runs the stages from this executable's directory. A question is a WAV file, sent as a microphone sends it, in pieces of \
            64 ms as they would be recorded; it ends with its last sample that is louder than a fiftieth of its loudest, and silence \
            follows. Words come from the graph's own transcriber (deploy/models senses), answers from the trunk (deploy/models smollm2). \
            Pictures are sent apart from questions, four a second, and are seen by EfficientNet-Lite0. Processor time is that of all stages.
            Example: accrete-bench answers --sound question.wav --picture photo.jpg --trunk models/smollm2-135m-instruct.gguf
            """)

    @Option(help: ArgumentHelp("A spoken question, a WAV file; without it, no question is asked.", valueName: "file"))
    var sound: String?

    @Option(help: ArgumentHelp("A picture, JPEG or PNG; without it, none is shown.", valueName: "file"))
    var picture: String?

    @Option(help: ArgumentHelp("The pretrained trunk that answers.", valueName: "file"))
    var trunk = "models/smollm2-135m-instruct.gguf"

    @Option(help: "Questions, after one that is not measured.")
    var questions = 10

    @Option(help: "Pictures, after the first eight.")
    var pictures = 200

    @Option(name: .customLong("set"), help: "Override a setting of the graph: key=value. Repeatable.")
    var overrides: [String] = []

    @Flag(help: "Print one line of JSON instead of sentences.")
    var json = false

    struct Quantiles: Codable {
        var count: Int
        var p50: Double, p90: Double, p99: Double, max: Double

        init(_ seconds: [Double]) {
            let sorted = seconds.sorted()
            func quantile(_ q: Double) -> Double { sorted.isEmpty ? 0 : sorted[min(sorted.count - 1, Int(Double(sorted.count) * q))] }
            (count, p50, p90, p99, max) = (sorted.count, quantile(0.5), quantile(0.9), quantile(0.99), sorted.last ?? 0)
        }
    }

    struct Report: Codable {
        /// From the end of speech: to its transcript, to the first piece of the answer, to its last.
        var words: Quantiles?, firstWord: Quantiles?, answer: Quantiles?
        /// From sending a picture to receiving its prediction.
        var prediction: Quantiles?
        /// Processor time of all stages, for each question and each picture, their start not included.
        var processorSecondsPerQuestion: Double?, processorSecondsPerPicture: Double?
        /// Questions and pictures that nothing came back for; and the questions of them of which no words came.
        var lost = 0, withoutWords = 0
    }

    func validate() throws {
        guard sound != nil || picture != nil else { throw ValidationError("Nothing to measure: give --sound or --picture.") }
        guard (1...1_000).contains(questions), (1...100_000).contains(pictures) else {
            throw ValidationError("--questions are 1 to 1000, --pictures 1 to 100000.")
        }
    }

    func run() async throws {
        let directory = try BenchDirectory()
        var report = Report()
        if let sound { try await ask(sound, directory, &report) }
        if let picture { try await show(picture, directory, &report) }
        if json { return print(String(decoding: try JSONEncoder().encode(report), as: UTF8.self)) }
        describe("to its words", report.words)
        describe("to the first piece of its answer", report.firstWord)
        describe("to the end of its answer", report.answer)
        describe("from a picture to its prediction", report.prediction)
        for (name, seconds) in [("question", report.processorSecondsPerQuestion), ("picture", report.processorSecondsPerPicture)] {
            if let seconds { print(String(format: "%.3f s of processor time for each %@", seconds, name)) }
        }
        if report.lost > 0 { print("\(report.lost) were not answered in time; \(report.withoutWords) of them without words") }
    }

    private func describe(_ name: String, _ quantiles: Quantiles?) {
        guard let quantiles else { return }
        print(
            String(
                format: "%@ p50 %7.3f s, p90 %7.3f s, p99 %7.3f s, max %7.3f s (%d)",
                name.padding(toLength: 34, withPad: " ", startingAt: 0), quantiles.p50, quantiles.p90, quantiles.p99, quantiles.max,
                quantiles.count))
    }
}

extension AnswersBench {
    /// The longest wait for an answer, in seconds.
    private static let patience = 60.0

    private func ask(_ path: String, _ directory: BenchDirectory, _ report: inout Report) async throws {
        let question = try Question(path: path)
        let settings = ["model.trunk=\(trunk)", "answer.after=[utterance]", "signals.audio.words=whisper-tiny-en"]
        // A graph whose model has no sense of sound has no extractor of sounds; the sense is given, and nothing is learned from it.
        let senses = "model.senses=[{name: audio, rows: 1, columns: 32}]"
        try await withGraph(settings + [senses], named: "questions", directory) { graph in
            var words: [Double] = [], first: [Double] = [], last: [Double] = []
            var before = 0.0
            for number in 0...questions {
                if number == 1 { before = graph.processorSeconds }
                let ended = try await question.play(to: graph)
                let deadline = ended + Self.patience
                // Silence goes on until the answer has come, as a microphone does.
                while monotonicSeconds() < deadline, !graph.seen.withLock({ $0.answered != nil }) {
                    try await graph.send(question.silence, rate: question.rate)
                }
                let seen = graph.seen.withLock { seen in
                    defer { seen.reset() }
                    return seen
                }
                guard let answered = seen.answered, let begun = seen.begun else {
                    report.lost += 1
                    if seen.spoken == nil { report.withoutWords += 1 }
                    continue
                }
                guard number > 0 else { continue }
                if let spoken = seen.spoken { words.append(spoken - ended) }
                first.append(begun - ended)
                last.append(answered - ended)
            }
            (report.words, report.firstWord, report.answer) = (Quantiles(words), Quantiles(first), Quantiles(last))
            report.processorSecondsPerQuestion = (graph.processorSeconds - before) / Double(questions)
        }
    }

    private func show(_ path: String, _ directory: BenchDirectory, _ report: inout Report) async throws {
        let bytes = try readFile(path, atMost: 1 << 26), kind = PictureKind(bytes)
        guard let kind else { throw ValidationError("\(path) is neither a JPEG nor a PNG file") }
        let settings = ["signals.image.frontend=efficientnet-lite0", "model.senses=[{name: image, rows: 49, columns: 1280}]"]
        try await withGraph(settings, named: "pictures", directory) { graph in
            var seconds: [Double] = [], before = 0.0
            for number in 0..<pictures + Self.warmUp {
                if number == Self.warmUp { before = graph.processorSeconds }
                let sent = monotonicSeconds(), moment = try await graph.show(bytes, kind.rawValue)
                while monotonicSeconds() < sent + Self.patience, !graph.seen.withLock({ $0.predicted[moment] != nil }) {
                    try await Task.sleep(for: .milliseconds(1))
                }
                let arrived = graph.seen.withLock { seen in
                    defer { seen.reset() }
                    return seen.predicted[moment]
                }
                if let arrived, number >= Self.warmUp { seconds.append(arrived - sent) }
                if arrived == nil { report.lost += 1 }
                try await Task.sleep(for: .seconds(max(0, 0.25 - (monotonicSeconds() - sent))))
            }
            report.prediction = Quantiles(seconds)
            report.processorSecondsPerPicture = (graph.processorSeconds - before) / Double(pictures)
        }
    }

    private static let warmUp = 8

    private enum PictureKind: String {
        case jpeg = "image/jpeg", png = "image/png"

        init?(_ bytes: [UInt8]) {
            if bytes.starts(with: [0xFF, 0xD8, 0xFF]) {
                self = .jpeg
            } else if bytes.starts(with: [0x89, 0x50, 0x4E, 0x47]) {
                self = .png
            } else {
                return nil
            }
        }
    }

    /// Runs a graph, and calls `body` once it predicts.
    private func withGraph(
        _ settings: [String], named name: String, _ directory: BenchDirectory, _ body: (LiveGraph) async throws -> Void
    ) async throws {
        var plan = try GraphPlan.make(
            .outside, config: nil, overrides: settings + overrides, directory: directory.path(name), environment: [:])
        plan.settings.endpoints = .isolated(process: getpid())
        plan.settings.endpoints.runtime = directory.path("sockets")
        let stop = StopSignal(), started = plan
        async let outcome = GraphRun(started, environment: [:], say: { _ in }).run(view: ProgressView(isTerminal: false), until: stop)
        let graph = try LiveGraph(plan.settings, stages: plan.settings.stageNames)
        async let following: Void = graph.follow()
        do {
            try await graph.waitUntilItRuns()
            try await body(graph)
        } catch {
            stop.raise()
            _ = try? await outcome  // the first error counts
            await graph.end()
            throw error
        }
        stop.raise()
        _ = try await outcome
        await graph.end()
        await following
    }
}

/// When what was waited for has come, in monotonic seconds.
private struct Seen {
    var spoken: Double?, begun: Double?, answered: Double?
    var predicted: [String: Double] = [:]
    /// Stages that have said that they run.
    var stages: Set<String> = []

    /// What is waited for next; stages run on.
    mutating func reset() { self = Seen(stages: stages) }
}

/// A graph that runs, with a publisher and a subscriber beside it.
private actor LiveGraph {
    nonisolated let seen = Mutex(Seen())
    private let publisher: any Publisher
    private let subscriber: Subscriber
    private var outbox = Outbox(source: "bench", epoch: UInt64(WallClock().now.nanoseconds), clock: WallClock())
    /// When the sound ends that was sent, in nanoseconds since 1970; 0 before any.
    private var time: Int64 = 0
    private static let session = "bench"
    private let stages: Set<String>

    init(_ settings: GraphSettings, stages: [String]) throws {
        self.stages = Set(stages)
        let bus = try ZeroMQBus()
        publisher = try bus.publisher(.connect, try settings.sensors([:]))
        subscriber = try bus.subscriber(
            to: [
                Subscription(
                    try settings.allEndpoints([:]),
                    topics: [Topics.prediction.prefix, Topics.answer.prefix, Topics.status.prefix, "sample.text/"])
            ], limits: settings.messaging)
    }

    nonisolated func follow() async {
        for await batch in subscriber {
            let now = monotonicSeconds()
            for index in 0..<batch.count { take(batch[index], at: now) }
        }
    }

    func end() {
        subscriber.cancel()
        publisher.close()
    }

    private nonisolated func take(_ message: WireMessage, at now: Double) {
        // Messages of the graph's own stages can be decoded.
        if Topics.prediction.components(of: message.topic) != nil, let prediction: Prediction = try? message.decode() {
            seen.withLock { $0.predicted[prediction.moment] = now }
        } else if Topics.status.components(of: message.topic) != nil, let status: Status = try? message.decode() {
            seen.withLock { _ = $0.stages.insert(status.stage) }
        } else if Topics.answer.components(of: message.topic) != nil, let answer: Answer = try? message.decode() {
            seen.withLock { seen in
                if !answer.text.isEmpty { seen.begun = seen.begun ?? now }
                if !answer.end.isEmpty {
                    seen.answered = now
                    seen.begun = seen.begun ?? now
                }
            }
        } else if Topics.sample.components(of: message.topic) != nil, let sample: Sample = try? message.decode(),
            case .reading? = sample.content
        {
            seen.withLock { $0.spoken = now }
        }
    }

    /// Shows a picture that asks for a label; the moment's id.
    func show(_ bytes: [UInt8], _ format: String) async throws -> String {
        let time = WallClock().now.nanoseconds
        let reading = SensorReading.with {
            $0.stamp = .with { ($0.source, $0.time, $0.clock) = ("camera", time, "unix") }
            ($0.session, $0.modality, $0.format, $0.ends) = (Self.session, "image", format, .labelRequest)
        }
        try publish(Outgoing(reading, on: Topics.sensor("image", "camera"), payload: [Payload(bytes)]))
        return "\(Self.session)/\(time)"
    }

    /// Sends sound that has just been recorded, when that much time has passed since the sound before it.
    func send(_ samples: [Float], rate: Int) async throws {
        let length = Int64(Double(samples.count) / Double(rate) * 1e9)
        let begin = time == 0 ? WallClock().now.nanoseconds : time
        time = begin + length
        let wait = begin + length - WallClock().now.nanoseconds
        if wait > 0 { try await Task.sleep(for: .nanoseconds(wait)) }
        let reading = SensorReading.with {
            $0.stamp = .with { ($0.source, $0.time, $0.clock) = ("microphone", begin, "unix") }
            ($0.session, $0.modality, $0.format) = (Self.session, "audio", "audio/x-f32le")
            ($0.sampleRate, $0.channels) = (UInt32(rate), 1)
        }
        try publish(Outgoing(reading, on: Topics.sensor("audio", "microphone"), payload: [Payload(samples)]))
    }

    private func publish(_ message: Outgoing) throws {
        try publisher.service()
        try outbox.append(message)
        try outbox.flush(to: publisher)
    }

    /// A text that ends a moment is predicted on once the first model is there; but a stage that still reads its network's file has not
    /// subscribed yet and would miss what comes, so all stages are waited for.
    func waitUntilItRuns() async throws {
        let deadline = monotonicSeconds() + 120
        var isReady = false
        while !isReady {
            guard monotonicSeconds() < deadline else { throw GraphBenchFailure(description: "the graph does not run, or does not predict") }
            let reading = SensorReading.with {
                $0.stamp = .with { ($0.source, $0.time, $0.clock) = ("keyboard", WallClock().now.nanoseconds, "unix") }
                ($0.session, $0.modality, $0.format, $0.ends) = ("warm-up", "text", "text/utf-8", .explicit)
            }
            try publish(Outgoing(reading, on: Topics.sensor("text", "keyboard"), payload: [Payload(Array("hello".utf8))]))
            try await Task.sleep(for: .milliseconds(500))
            isReady = seen.withLock { !$0.predicted.isEmpty && stages.isSubset(of: $0.stages) }
        }
        try await Task.sleep(for: .seconds(2))
        seen.withLock { $0.reset() }
    }

    /// Processor time of the stages, which are this process's children: user and system, of those that run.
    nonisolated var processorSeconds: Double {
        let own = getpid(), ticks = Double(sysconf(Int32(_SC_CLK_TCK)))
        let names = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
        return names.reduce(0) { sum, name in
            guard Int(name) != nil, let text = FileManager.default.contents(atPath: "/proc/\(name)/stat") else { return sum }
            // After the name in brackets: state, parent, …; user time is the 12th of them, system time the 13th.
            guard let rest = String(decoding: text, as: UTF8.self).split(separator: ")").last?.split(separator: " "), rest.count > 12,
                Int32(rest[1]) == own, let user = Double(rest[11]), let system = Double(rest[12])
            else { return sum }
            return sum + (user + system) / ticks
        }
    }
}

/// A spoken question, and the silence after it.
private struct Question {
    let samples: [Float]
    let rate: Int
    /// 64 ms.
    private static let piece = 0.064

    init(path: String) throws {
        let reading = RawReading(modality: "audio", format: "audio/wav", payload: try readFile(path, atMost: 1 << 26))
        let waveform = try AudioModality(SignalConfiguration()).waveform(of: reading)
        let loudest = waveform.samples.reduce(0) { max($0, abs($1)) }
        let end = (waveform.samples.lastIndex { abs($0) > loudest / 50 } ?? -1) + 1
        guard end > 0 else { throw ValidationError("\(path) is silent") }
        (samples, rate) = (Array(waveform.samples[..<end]), waveform.sampleRate)
    }

    private var pieceCount: Int { max(1, Int(Double(rate) * Self.piece)) }
    var silence: [Float] { [Float](repeating: 0, count: pieceCount) }

    /// Sends it as it would be recorded, after half a second of silence; when its last sample was sent, in monotonic seconds.
    func play(to graph: LiveGraph) async throws -> Double {
        for _ in 0..<8 { try await graph.send(silence, rate: rate) }
        for begin in stride(from: 0, to: samples.count, by: pieceCount) {
            try await graph.send(Array(samples[begin..<min(samples.count, begin + pieceCount)]), rate: rate)
        }
        return monotonicSeconds()
    }
}
