import Configuration
import ArgumentParser
import Foundation
import Launch
import Messaging
import Playback
import Recordings

/// `accrete play`: publishes a recorded session.
struct Play: StageCommand {
    static let configuration = CommandConfiguration(
        abstract: "Publish a recorded session to a running graph.",
        discussion: """
            Examples:
              accrete play DIR
              accrete play DIR --set play.speed=4
              accrete play RECORDING.mcap
            """)

    @Argument(help: "The session: a directory (session.jsonl and the files it names), or an MCAP file.") var recording: String
    @OptionGroup var arguments: StageArguments

    func launch() async throws {
        beginProcess()
        let settings = try arguments.settings(GraphSettings.self)
        let session: Recording
        do {
            session = try Recording(path: recording)
        } catch {
            throw StartFailure(error.description)
        }
        let player = try SessionPlayer(
            settings, source: "replay", directory: session.directory, environment: ProcessInfo.processInfo.environment)
        try await player.play(session.events())
    }
}
