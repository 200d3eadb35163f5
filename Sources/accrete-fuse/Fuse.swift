import ArgumentParser
import Configuration
import Foundation
import Fuse
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
            "fuse", { try FuseProcessor(settings, clock: MonotonicClock(), apart: true) },
            subscribesTo: settings.fuseSubscriptions(environment),
            publishesAt: settings.publishingEndpoints(settings.endpoints.fuse, environment), settings: settings, awaits: ["moment.": 2])
    }
}
