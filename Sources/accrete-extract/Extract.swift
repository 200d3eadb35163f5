import ArgumentParser
import Extract
import Foundation
import Launch
import Wiring

/// Subscribes to `sample.<modality>/`; publishes `feature.<modality>/`.
@main struct ExtractCommand: StageCommand {
    static let configuration = CommandConfiguration(
        commandName: "accrete-extract", abstract: "Turns one modality's readings into features.",
        discussion: "Example: accrete-extract --modality image --config accrete.yaml")

    @OptionGroup var arguments: StageArguments
    @Option(help: "One of \(ExtractProcessor.modalities).") var modality: String

    func launch() async throws {
        let settings = try arguments.settings(ExtractSettings.self), environment = ProcessInfo.processInfo.environment
        try await arguments.run(
            "extract-\(modality)", { try ExtractProcessor(settings, modality: modality) },
            subscribesTo: settings.extractSubscriptions(modality, environment),
            publishesAt: settings.publishingEndpoints(settings.endpoints.extract, environment, modality: modality), settings: settings,
            awaits: settings.extractAwaits(modality))
    }
}
