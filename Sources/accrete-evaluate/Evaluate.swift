import ArgumentParser
import Configuration
import Evaluate
import Foundation
import Launch
import Wiring

/// Subscribes to `moment.*` and `model.update/`; publishes `evaluation.*`.
@main struct EvaluateCommand: StageCommand {
    static let configuration = CommandConfiguration(
        commandName: "accrete-evaluate", abstract: "Scores each moment with a model that has not learned from it.",
        discussion: "Example: accrete-evaluate --config accrete.yaml --set evaluate.window=1000")

    @OptionGroup var arguments: StageArguments

    func launch() async throws {
        let settings = try arguments.settings(GraphSettings.self), environment = ProcessInfo.processInfo.environment
        try await arguments.run(
            "evaluate", { try EvaluateProcessor(settings) }, subscribesTo: settings.evaluateSubscriptions(environment),
            publishesAt: settings.publishingEndpoints(settings.endpoints.evaluate, environment), settings: settings,
            keepsLast: ["evaluation.summary/"], niceness: settings.evaluate.niceness)
    }
}
