import ArgumentParser
import Configuration
import Files
import Foundation
import Launch
import Learn
import Pipeline
import Schema
import Wiring

/// Subscribes to `moment.*` and `order.*`; publishes `model.update/`, an answer to each order and, where decisions are configured,
/// `policy.update/`.
@main struct LearnCommand: StageCommand {
    static let configuration = CommandConfiguration(
        commandName: "accrete-learn", abstract: "Learns from each moment once and publishes the model as it changes.",
        discussion: "Example: accrete-learn --config accrete.yaml --set learn.directory=checkpoint")

    @OptionGroup var arguments: StageArguments

    func launch() async throws {
        let settings = try arguments.settings(GraphSettings.self), environment = ProcessInfo.processInfo.environment
        let lock = try claim(settings.learn.directory)
        try await arguments.run(
            "learn", { try LearnProcessor(settings, clock: MonotonicClock()) }, subscribesTo: settings.learnSubscriptions(environment),
            publishesAt: settings.publishingEndpoints(settings.endpoints.learn, environment), settings: settings,
            keepsLast: ["model.update/", Topics.memoryUpdate.prefix, "policy.update/", Topics.orderAnswer.prefix],
            niceness: settings.learn.niceness)
        _ = consume lock
    }

    /// Locks the checkpoint directory against other learners.
    private func claim(_ directory: String) throws(StartFailure) -> DirectoryLock? {
        do {
            return directory.isEmpty ? nil : try DirectoryLock(directory, name: Supervised.learnerLock)
        } catch {
            throw StartFailure("learn cannot start: \(error)")
        }
    }
}
