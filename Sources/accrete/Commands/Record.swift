import ArgumentParser
import Configuration
import Files
import Foundation
import Launch
import Messaging
import Pipeline
import Recordings
import Schema
import Statistics
import TensorBoard
import Wiring

/// `accrete record`: records a running graph.
struct Record: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Record a running graph as an MCAP file, and its scores for TensorBoard, until control-C.",
        discussion: """
            The file has the readings that the graph accepted, cuts, labels, and what it published: Foxglove shows it, and
            `accrete up --session FILE` replays it. What has been recorded is readable although this process is killed; `accrete convert`
            then makes a whole file of it.

            Examples:
              accrete record session.mcap
              accrete record --tensorboard runs/tensorboard
              accrete record session.mcap --seconds 60 --config my.yaml
            """)

    @Argument(help: "The MCAP file to write; it must not exist.") var output: String?
    @Option(help: "Write loss, accuracy, learning rate and versions as an event file of TensorBoard to this directory.")
    var tensorboard: String?
    @Option(help: "End after this many seconds.") var seconds: Double?
    @Option(help: "The configuration file of the running graph; without it, the default settings.") var config: String?
    @Option(name: .customLong("set"), help: "Override a setting: key=value. Repeatable.") var overrides: [String] = []

    func validate() throws {
        try check("--seconds", seconds, above: 0, atMost: waitLimit)
        guard output != nil || tensorboard != nil else { throw ValidationError("Give a file to write, or --tensorboard, or both.") }
    }

    func run() async throws {
        let environment = ProcessInfo.processInfo.environment
        let settings: GraphSettings = try StageArguments.load(config, overrides)
        let listener = try ZeroMQBus().subscriber(
            to: [Subscription(try settings.allEndpoints(environment), topics: GraphRecorder.topics)], limits: settings.messaging)
        let signals = Interrupts { listener.cancel() }
        defer { signals.cancel() }
        let recorder: RecordingTask
        do {
            recorder = try RecordingTask(output, tensorboard: tensorboard)
        } catch {
            throw StartFailure("\(error)")
        }
        let timer = Task {
            let clock = ContinuousClock(), end = seconds.map { clock.now + .seconds($0) }
            while !Task.isCancelled, end.map({ clock.now < $0 }) ?? true {
                try? await Task.sleep(for: min(Self.flushInterval, end.map { max(.zero, $0 - clock.now) } ?? Self.flushInterval))
                guard await recorder.flush() else { break }
            }
            listener.cancel()
        }
        for await batch in listener {
            guard await recorder.take(batch) else { break }
        }
        timer.cancel()
        do {
            try StandardOutput.writeNow(try await recorder.finish(refused: listener.refusals.values.reduce(0) { $0.clampedAdding($1) }))
        } catch {
            throw StartFailure("\(error)")
        }
    }

    /// At most so much is lost when this process is killed.
    private static let flushInterval = Duration.seconds(1)
}

/// Takes the messages of a graph, one batch after another.
private actor RecordingTask {
    private let recorder: GraphRecorder
    private let paths: String
    private let clock = WallClock()
    private var count: UInt64 = 0
    private var problem: (any Error)?

    init(_ output: String?, tensorboard: String?) throws {
        let recording = try output.map { try RecordingWriter(creating: $0, .graph, library: "accrete \(accreteVersion)") }
        let events = try tensorboard.map { directory in
            try EventFileWriter(directory: directory, time: Double(secondsIn: WallClock().now.nanoseconds))
        }
        recorder = GraphRecorder(recording, events)
        paths = [output, events?.path].compactMap(\.self).joined(separator: ", ")
    }

    /// - Returns: false where nothing more can be written.
    func take(_ batch: MessageBatch) -> Bool {
        for index in 0..<batch.count where problem == nil {
            let message = batch[index], topic = message.topic
            // What is no message of this version is passed over.
            guard let content = try? Topics.family(of: topic)?.decode(Array(message.header)) else { continue }
            attempt {
                try recorder.take(
                    content, topic: topic, payload: { message.payload.first.map { Array($0) } ?? [] }, at: clock.now.nanoseconds)
            }
            count += 1
        }
        return problem == nil
    }

    /// - Returns: false where nothing more can be written.
    func flush() -> Bool {
        if problem == nil { attempt { try recorder.flush() } }
        return problem == nil
    }

    private func attempt(_ body: () throws -> Void) {
        do { try body() } catch { problem = error }
    }

    /// Writes the end of the files, and says what is in them.
    func finish(refused: UInt64) throws -> String {
        if let problem { throw problem }
        try recorder.finish()
        guard count > 0 else {
            throw StartFailure("nothing was received; check that the graph is running and that this is its configuration")
        }
        return "\(paths): \(count) messages" + (refused > 0 ? ", \(refused) dropped because this process did not keep up\n" : "\n")
    }
}
