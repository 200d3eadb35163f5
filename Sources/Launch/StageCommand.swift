import ArgumentParser
import Files
import Stages

/// An executable of the graph: it runs, or says in one sentence why it cannot.
public protocol StageCommand: AsyncParsableCommand {
    func launch() async throws
}

extension StageCommand {
    public static func main() async { await runCommandLine() }

    public func run() async throws {
        do {
            try await launch()
        } catch let error as StartFailure {
            StandardError.write("\(error)\n")
            throw ExitCode(startFailureStatus)
        }
    }
}
