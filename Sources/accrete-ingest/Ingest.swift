import ArgumentParser
import Foundation
import Ingest
import Launch
import Pipeline
import Wiring

/// Subscribes to publishers' `sensor.*`, `cut.*`, `feedback.*` and `explain.*`; publishes `sample.*`, `feedback.*` and `explain.*`.
@main struct IngestCommand: StageCommand {
    static let configuration = CommandConfiguration(
        commandName: "accrete-ingest", abstract: "Checks what publishers send and marks where moments end.",
        discussion: "Example: accrete-ingest --config accrete.yaml")

    @OptionGroup var arguments: StageArguments
    @Option(help: "The publisher whose end is the end of the stream.") var closer = ""

    func launch() async throws {
        let settings = try arguments.settings(IngestSettings.self), environment = ProcessInfo.processInfo.environment
        let now = MonotonicClock().now, wall = WallClock().now
        try await arguments.run(
            "ingest", { IngestProcessor(settings, epoch: UInt64(wall.nanoseconds), wallOffset: (wall - now).nanoseconds, closer: closer) },
            subscribesTo: settings.ingestSubscriptions(environment),
            publishesAt: settings.publishingEndpoints(settings.endpoints.ingest, environment),
            settings: settings, awaits: settings.ingestAwaits)
    }
}
