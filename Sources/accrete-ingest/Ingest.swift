import ArgumentParser
import Foundation
import Ingest
import Journal
import Launch
import Pipeline
import Wiring

/// Subscribes to publishers' `sensor.*`, `cut.*`, `feedback.*` and `explain.*`; publishes `sample.*`, `feedback.*` and `explain.*`. With a
/// journal it also acknowledges publishers that want to know what is on disk.
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
            "ingest",
            {
                IngestProcessor(
                    settings, epoch: UInt64(wall.nanoseconds), wallOffset: (wall - now).nanoseconds, closer: closer,
                    journal: try Self.journal(settings.journal), at: now)
            },
            subscribesTo: settings.ingestSubscriptions(environment, hasJournal: settings.journal.readings != nil),
            publishesAt: settings.publishingEndpoints(settings.endpoints.ingest, environment),
            settings: settings, awaits: settings.ingestAwaits)
    }

    /// How long to wait for a process that has not ended its writing yet, in milliseconds.
    private static let patience = 5_000

    private static func journal(_ settings: JournalSettings) throws -> Journal? {
        guard let directory = settings.readings else { return nil }
        return try Journal(
            DirectoryStorage(directory, writes: true, patience: patience), settings.bounds,
            released: { JournalReleases.released(in: directory) }, now: { WallClock().now.nanoseconds })
    }
}
