import ArgumentParser
import Foundation
import Stages

/// An executable of the graph: it runs, or says in one sentence why it cannot.
public protocol StageCommand: AsyncParsableCommand {
    func launch() async throws
}

extension StageCommand {
    public func run() async throws {
        do {
            try await launch()
        } catch let error as StartFailure {
            FileHandle.standardError.write(Data("\(error)\n".utf8))
            throw ExitCode(startFailureStatus)
        }
    }
}
