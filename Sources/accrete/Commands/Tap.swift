import Pipeline
import Configuration
import ArgumentParser
import Files
import Foundation
import Launch
import Messaging
import Schema
import StrictJSON
import Updates
import Wiring

/// `accrete tap`: prints messages of a running graph.
struct Tap: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Print the messages of all topics with a given prefix as they arrive.",
        discussion: """
            Examples:
              accrete tap prediction.
              accrete tap model.update/ --count 1 --json
            Topics: \(Topics.all.map(\.pattern).joined(separator: " "))
            """)

    @Argument(help: "A topic, or a prefix of topics; without it, all topics.") var topic = ""
    @Option(help: "The configuration file of the running graph; without it, the default settings.") var config: String?
    @Option(name: .customLong("set"), help: "Override a setting: key=value. Repeatable.") var overrides: [String] = []
    @Option(help: "Exit after this number of messages.") var count: Int?
    @Flag(help: "Print one JSON object for each message.") var json = false

    @Option(help: "Write each update of the model that arrives to this directory, in place of the one before: see accrete verify.")
    var save: String?

    func validate() throws { try check("--count", count, within: 1...countLimit) }

    func run() async throws {
        let environment = ProcessInfo.processInfo.environment
        let settings: GraphSettings = try StageArguments.load(config, overrides)
        let listener = try settings.openBus().subscriber(
            to: [Subscription(try settings.allEndpoints(environment), topics: [topic])], limits: settings.messaging)
        let signals = Interrupts { listener.cancel() }
        defer { signals.cancel() }
        var printed = 0
        for await batch in listener {
            for index in 0..<batch.count {
                if let count, printed >= count { return }
                if let save, Self.isModel(batch[index].topic) { try SavedUpdate.write(batch[index], to: save) }
                try StandardOutput.writeNow(try text(of: batch[index]) + "\n")
                printed += 1
            }
            if let count, printed >= count { return }
        }
    }

    private static func isModel(_ topic: String) -> Bool {
        Topics.modelUpdate.components(of: topic) != nil || Topics.modelDelta.components(of: topic) != nil
    }

    private func text(of message: WireMessage) throws -> String {
        let name = message.topic
        let payload = message.payload.map(\.count)
        guard let family = Topics.family(of: name) else {
            return json ? "{\"topic\":\"unknown\"}" : "unknown topic, \(payload.reduce(0, +)) bytes"
        }
        let quoted = JSON.string(name).text(), shown = printable(name)
        let content: any Stamped
        do {
            content = try family.decode(Array(message.header))
        } catch {
            return json ? "{\"topic\":\(quoted),\"undecodable\":true}" : "\(shown) undecodable"
        }
        let body = try content.jsonString()
        return json ? "{\"topic\":\(quoted),\"payload\":\(payload),\"message\":\(body)}" : "\(shown) \(payload) \(body)"
    }
}
