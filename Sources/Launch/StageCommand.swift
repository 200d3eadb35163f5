import ArgumentParser
import Files
import Foundation
import Glibc
import Wiring

/// An executable of the graph: it runs, or says in one sentence why it cannot.
public protocol StageCommand: AsyncParsableCommand {
    func launch() async throws
}

extension StageCommand {
    public static func main() async {
        beginProcess()
        await runCommandLine()
    }

    public func run() async throws {
        do {
            try await launch()
        } catch let error as StartFailure {
            StandardError.write("\(error)\n")
            throw ExitCode(startFailureStatus)
        }
    }
}

/// What every process of the graph does first: a reader of its output that goes away does not end it, and it does not
/// outlive its supervisor.
public func beginProcess() {
    signal(SIGPIPE, SIG_IGN)
    Supervision.begin()
}
