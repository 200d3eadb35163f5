import ArgumentParser
import Files
import Foundation
import Imports
import Launch
import Recordings
import Statistics
import Wiring

/// `accrete import`: makes sessions of data sets and of other programs' logs.
struct Import: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Make a session of a data set or of another program's log.",
        discussion: """
            Kinds:
            \(importers.map { "  \($0.key.padding(toLength: 16, withPad: " ", startingAt: 0))\($0.value.summary)" }.joined(separator: "\n"))

            It prints the command that learns from the session. Examples:
              accrete import arkit-logger ARposes.txt poses.mcap
              accrete import ecg mitdb/100 runs/beats
            """)

    @Argument(help: "One of \(importers.names).") var kind: String
    @Argument(help: "The file to read.") var path: String
    @Argument(help: "Where to write the session; an MCAP file if it ends in .mcap, else a directory. It must not exist.") var output: String

    func validate() throws {
        guard importers[kind] != nil else { throw ValidationError(wordRefusal(kind, allowed: importers.map(\.key))) }
    }

    func run() throws {
        guard let type = importers[kind] else { return }  // validated
        do {
            let importer = try type.init(path: path)
            var session = try SessionOutput(creating: output, library: "accrete \(accreteVersion)")
            try importer.write(to: &session)
            try session.finish()
            let settings = importer.settings.map { " --set '\($0)'" }.joined()
            try StandardOutput.writeNow(
                """
                \(output): \(session.count) readings, cuts and labels
                accrete up --session \(output) --mode lockstep\(settings)

                """)
        } catch {
            throw StartFailure("\(error)")
        }
    }
}
