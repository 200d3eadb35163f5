import ArgumentParser
import Files
import Foundation
import Launch
import Pipeline
import Stages

/// Hears `moment.*`; tells `model.update/` and, where decisions are configured, `policy.update/`.
@main struct Learn: StageCommand {
    static let configuration = CommandConfiguration(
        commandName: "accrete-learn", abstract: "Learns from each moment once and publishes the model as it changes.",
        discussion: "Example: accrete-learn --config accrete.yaml --set learn.directory=checkpoint")

    @OptionGroup var arguments: StageArguments

    func launch() async throws {
        let settings = try arguments.settings(), environment = ProcessInfo.processInfo.environment
        let lock = try claim(settings.learn.directory)
        try await arguments.run(
            "learn", { try LearnProcessor(settings, clock: MonotonicClock()) }, subscribesTo: settings.learnHears(environment),
            publishesAt: settings.tells(settings.endpoints.learn, environment), settings: settings,
            keepsLast: ["model.update/", "policy.update/"])
        _ = consume lock
    }

    /// Keeps the checkpoint from every other learner.
    private func claim(_ directory: String) throws(StartFailure) -> DirectoryLock? {
        do {
            return directory.isEmpty ? nil : try DirectoryLock(directory, name: Supervised.learnerLock)
        } catch {
            throw StartFailure("learn cannot start: \(error)")
        }
    }
}
