import ArgumentParser
import Files
import Launch
import MCAP
import Messaging
import Recordings
import Signals
import Wiring

/// `accrete convert`: copies a session between directories and MCAP files.
struct ConvertCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "convert",
        abstract: "Copy a session from a directory to an MCAP file or back, or make a whole MCAP file of one that ends too early.",
        discussion: """
            Readings, cuts and labels come back as they were, with their files. From a file of another program its pictures
            (foxglove.CompressedImage, RawImage) and poses (foxglove.PoseInFrame) become readings.

            Examples:
              accrete convert DIR session.mcap
              accrete convert session.mcap DIR
              accrete convert torn.mcap whole.mcap         all messages, also those that are no readings
            """)

    @Argument(help: "A session directory, or an MCAP file.") var input: String
    @Argument(help: "Where to write it; a file if it ends in .mcap, else a directory. It must not exist.") var output: String

    func run() throws {
        do {
            let recording = try Recording(path: input)
            if recording.directory == nil, SessionOutput.isFile(output) {
                try copyMessages()
            } else {
                try copyEvents(of: recording)
            }
        } catch let error as StartFailure {
            throw error
        } catch {
            throw StartFailure("\(error)")
        }
    }

    private func copyEvents(of recording: Recording) throws {
        _ = try recording.events()  // nothing is created for an input that cannot be read
        var session = try SessionOutput(creating: output, library: "accrete \(accreteVersion)"), refusals = Refusals()
        try recording.copy(to: &session, maximumBytes: SessionDirectory.Limits().maximumFileBytes) { refusals.report($0) }
        try session.finish()
        try StandardOutput.writeNow("\(output): \(session.count) readings, cuts and labels\(refusals.count)\n")
    }

    private func copyMessages() throws {
        var reader = try MCAPReader(path: input), refusals = Refusals()
        let writer = try MCAPWriter(creating: output, profile: reader.profile, library: "accrete \(accreteVersion)")
        let end = try writer.add(&reader) { refusals.report($0.description) }
        try writer.finish()
        let torn = end == .torn ? "; \(input) ends too early" : ""
        try StandardOutput.writeNow("\(output): \(writer.messageCount) messages\(refusals.count)\(torn)\n")
    }

    /// Tells the first things that are passed over, and counts all.
    private struct Refusals {
        private var number = 0
        private static let reported = 10

        mutating func report(_ reason: String) {
            number += 1
            if number <= Self.reported { StandardError.write("passed over: \(printable(reason))\n") }
        }

        var count: String { number > 0 ? "; \(number) passed over" : "" }
    }
}
