import ArgumentParser
import Configuration
import Foundation
import Fuse
import Launch
import Pipeline
import Wiring

/// Hears `feature.*`, `feedback.*`, `model.update/` and `policy.update/`; tells `moment.*`, `prediction.*` and, where configured, `action.*`.
@main struct FuseCommand: StageCommand {
    static let configuration = CommandConfiguration(
        commandName: "accrete-fuse", abstract: "Aligns features into moments and predicts on each with the newest model.",
        discussion: "Example: accrete-fuse --config accrete.yaml --set fuse.lateness=0.05")

    @OptionGroup var arguments: StageArguments

    func launch() async throws {
        let settings = try arguments.settings(GraphSettings.self), environment = ProcessInfo.processInfo.environment
        try await arguments.run(
            "fuse", { try FuseProcessor(settings, clock: MonotonicClock()) }, subscribesTo: settings.fuseHears(environment),
            publishesAt: settings.tells(settings.endpoints.fuse, environment), settings: settings, awaits: ["moment.": 2])
    }
}
