import ArgumentParser
import Files
import Foundation
import Glibc

extension ParsableCommand {
    /// Runs what the command line asks for. Whatever fails ends the process with a sentence on standard error and its status, and so does
    /// output that could not be written.
    public static func runCommandLine() async {
        do {
            var command = try parseAsRoot()
            if var command = command as? any AsyncParsableCommand { try await command.run() } else { try command.run() }
            try StandardOutput.flush()
        } catch {
            end(with: reworded(error))
        }
    }

    private static func end(with error: any Error) -> Never {
        var code = exitCode(for: error)
        let message = fullMessage(for: error)
        do {
            // Help and the version are what was asked for.
            if code.isSuccess, !message.isEmpty { try StandardOutput.write(Array("\(message)\n".utf8)) }
            try StandardOutput.flush()
        } catch let lost {
            if code.isSuccess || message.isEmpty { StandardError.write("Error: \(lost)\n") }
            if code.isSuccess { code = .failure }
        }
        if !code.isSuccess, !message.isEmpty, !exitCode(for: error).isSuccess { StandardError.write("\(message)\n") }
        Glibc.exit(code.rawValue)
    }

    /// Errors of Foundation in a sentence that names the file.
    private static func reworded(_ error: any Error) -> any Error {
        switch error {
        case let error as CocoaError:
            return StartFailure(
                "\(error.filePath ?? error.url?.path ?? "a file"): \(error.underlying.map { "\($0.localizedDescription)" } ?? error.localizedDescription)"
            )
        case let error as DecodingError:
            return StartFailure(error.sentence)
        default:
            return error
        }
    }
}

extension DecodingError {
    /// What was not as expected, and where.
    public var sentence: String {
        let (context, what): (Context, String) =
            switch self {
            case .typeMismatch(_, let context): (context, "is of another kind than expected")
            case .valueNotFound(_, let context): (context, "is missing")
            case .keyNotFound(let key, let context): (context, "lacks \(key.stringValue)")
            case .dataCorrupted(let context): (context, "is malformed")
            @unknown default: (Context(codingPath: [], debugDescription: ""), "is malformed")
            }
        let path = context.codingPath.map(\.stringValue).joined(separator: ".")
        return "what was read \(path.isEmpty ? "" : "at \(path) ")\(what)"
    }
}
