import ArgumentParser
import Extract
import Foundation
import Launch
import Signals
import Wiring

/// Subscribes to `sample.<modality>/`; publishes `feature.<modality>/`, and `sensor.text.<source>-words/` to ingest where sounds are
/// transcribed.
@main struct ExtractCommand: StageCommand {
    static let configuration = CommandConfiguration(
        commandName: "accrete-extract", abstract: "Turns one modality's readings into features.",
        discussion: "Example: accrete-extract --modality image --config accrete.yaml")

    @OptionGroup var arguments: StageArguments
    @Option(help: "One of \(ExtractProcessor.modalities).") var modality: String

    func launch() async throws {
        let settings = try arguments.settings(ExtractSettings.self), environment = ProcessInfo.processInfo.environment
        try await arguments.run(
            "extract-\(modality)",
            {
                let transcribes = modality == AudioModality.name && settings.signals.audio.transcribes
                let words = transcribes ? try SpokenWords(settings, environment: environment) : nil
                return try ExtractProcessor(settings, modality: modality, words: words)
            },
            subscribesTo: settings.extractSubscriptions(modality, environment),
            publishesAt: settings.publishingEndpoints(settings.endpoints.extract, environment, modality: modality), settings: settings,
            awaits: settings.extractAwaits(modality))
    }
}
