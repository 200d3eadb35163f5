import ArgumentParser
import Files
import Foundation
import Glibc
import Wiring

/// An executable of the graph. If it cannot start, it writes one sentence about the reason to standard error and exits.
public protocol StageCommand: AsyncParsableCommand {
    /// Runs the command.
    /// - Throws: `StartFailure` if it cannot start.
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

/// Must be called first in every process of the graph: ignores SIGPIPE, so that a closed pipe is an error of writing and does not end the
/// process, and ends the process when its supervisor has ended.
public func beginProcess() {
    signal(SIGPIPE, SIG_IGN)
    Supervision.begin()
}
