import ArgumentParser
import Foundation
import Launch
import Messaging
import Signals
import Stages

/// `accrete play`: a session directory as a publisher.
struct Play: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Publish a recorded session into a running graph, as any publisher would.",
        discussion: """
            Examples:
              accrete play DIR
              accrete play DIR --set play.speed=4
            """)

    @Argument(help: "The session directory (session.jsonl and the files it names).") var directory: String
    @OptionGroup var arguments: StageArguments

    func run() async throws {
        beginProcess()
        do {
            let settings = try arguments.settings()
            let session = try SessionDirectory(path: directory)
            let player = try SessionPlayer(settings, source: "replay", directory: session, environment: ProcessInfo.processInfo.environment)
            try await player.play(session.events())
        } catch let failure as PlayFailure {
            throw failure
        } catch {
            throw StartFailure("\(error)")
        }
    }
}
