import ArgumentParser
import Deployment
import Files
import Foundation
import Launch
import Presentation
import StrictJSON

/// `accrete watch`: shows a run that has ended with the gateway's page.
struct Watch: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "watch", abstract: "Write a page, in one HTML file, that shows a run that has ended.",
        discussion: """
            The run's directory holds record.json, which `accrete up` writes at its end. A running graph is shown by `accrete top`, and by the
            gateway's page /watch.

            Examples:
              accrete watch runs/default                   writes runs/default/watch.html
              accrete watch runs/default --output run.html
            """)

    @Argument(help: "The run's directory.", completion: .directory) var directory: String
    @Option(help: "The file to write; without it, watch.html in the run's directory.") var output: String?

    func run() throws {
        do {
            let path = RunRecord.file(in: directory)
            guard fileExists(path) else {
                throw StartFailure("there is no \(path), which `accrete up` writes at its end; `accrete top` shows a running graph")
            }
            let record = try JSON(parsing: try readFile(path, atMost: Self.largest))
            guard record["stages"]?.object != nil, record["course"]?.array != nil else {
                throw StartFailure("\(path) is no record of a run")
            }
            let page = output ?? directory + "/watch.html"
            try replaceFile(at: page, with: Pages.recorded(record))
            try StandardOutput.writeNow(page + "\n")
        } catch let error as StartFailure {
            throw error
        } catch {
            throw StartFailure("\(error)")
        }
    }

    private static let largest = 1 << 26
}
