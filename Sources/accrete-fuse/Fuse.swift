import ArgumentParser
import Foundation
import Launch
import Pipeline
import Stages

/// Hears `feature.*`, `feedback.*`, `model.update/` and `policy.update/`; tells `moment.*`, `prediction.*` and, where configured, `action.*`.
@main struct Fuse: StageCommand {
    static let configuration = CommandConfiguration(
        commandName: "accrete-fuse", abstract: "Aligns features into moments and predicts on each with the newest model.",
        discussion: "Example: accrete-fuse --config accrete.yaml --set fuse.lateness=0.05")

    @OptionGroup var arguments: StageArguments

    func launch() async throws {
        let settings = try arguments.settings(), environment = ProcessInfo.processInfo.environment
        try await arguments.run(
            "fuse", { try FuseProcessor(settings, clock: MonotonicClock()) }, subscribesTo: settings.fuseHears(environment),
            publishesAt: settings.tells(settings.endpoints.fuse, environment), settings: settings, awaits: ["moment.": 2])
    }
}
