import Configuration
import ArgumentParser
import Foundation
import Launch
import Messaging
import Playback
import Signals

/// `accrete play`: publishes a recorded session.
struct Play: StageCommand {
    static let configuration = CommandConfiguration(
        abstract: "Publish a recorded session to a running graph.",
        discussion: """
            Examples:
              accrete play DIR
              accrete play DIR --set play.speed=4
            """)

    @Argument(help: "The session directory (session.jsonl and the files it names).") var directory: String
    @OptionGroup var arguments: StageArguments

    func launch() async throws {
        beginProcess()
        let settings = try arguments.settings(GraphSettings.self)
        let session: SessionDirectory
        do {
            session = try SessionDirectory(path: directory)
        } catch {
            throw StartFailure(error.description)
        }
        let player = try SessionPlayer(settings, source: "replay", directory: session, environment: ProcessInfo.processInfo.environment)
        try await player.play(session.events())
    }
}
