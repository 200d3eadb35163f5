import ArgumentParser
import Configuration
import Foundation
import Fuse
import Journal
import Launch
import Pipeline
import Wiring

/// Subscribes to `feature.*`, `feedback.*`, `explain.*`, `model.update/` and `policy.update/`; publishes `moment.*`, `prediction.*` and,
/// where configured, `action.*` and `answer.*`.
@main struct FuseCommand: StageCommand {
    static let configuration = CommandConfiguration(
        commandName: "accrete-fuse", abstract: "Aligns features into moments and predicts on each with the newest model.",
        discussion: "Example: accrete-fuse --config accrete.yaml --set fuse.lateness=0.05")

    @OptionGroup var arguments: StageArguments

    func launch() async throws {
        let settings = try arguments.settings(GraphSettings.self), environment = ProcessInfo.processInfo.environment
        try await arguments.run(
            "fuse", { try FuseProcessor(settings, clock: MonotonicClock(), apart: true, journal: try Self.journal(settings)) },
            subscribesTo: settings.fuseSubscriptions(environment),
            publishesAt: settings.publishingEndpoints(settings.endpoints.fuse, environment), settings: settings, awaits: ["moment.": 2])
    }
    /// How long to wait for a process that has not ended its writing yet, in milliseconds.
    private static let patience = 5_000

    /// The journal of moments; in lockstep a replay begins again instead.
    private static func journal(_ settings: GraphSettings) throws -> Journal? {
        guard settings.mode == .live, let directory = settings.journal.moments else { return nil }
        return try Journal(
            DirectoryStorage(directory, writes: true, patience: patience), settings.journal.bounds,
            released: { JournalReleases.released(in: directory) }, now: { WallClock().now.nanoseconds })
    }
}
