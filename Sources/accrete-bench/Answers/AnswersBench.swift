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
        let question = try SpokenQuestion(path: path)
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
