import ArgumentParser
import Files
import Foundation
import Glibc

extension ParsableCommand {
    /// Parses the command line and runs the command. An error ends the process with a message on standard error and an exit status other
    /// than 0; so does output that could not be written.
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
            // A successful exit with a message is that of `--help` or `--version`.
            if code.isSuccess, !message.isEmpty { try StandardOutput.write(Array("\(message)\n".utf8)) }
            try StandardOutput.flush()
        } catch let lost {
            if code.isSuccess || message.isEmpty { StandardError.write("Error: \(lost)\n") }
            if code.isSuccess { code = .failure }
        }
        if !code.isSuccess, !message.isEmpty, !exitCode(for: error).isSuccess { StandardError.write("\(message)\n") }
        Glibc.exit(code.rawValue)
    }

    /// Replaces errors of Foundation by a sentence that names the file.
    private static func reworded(_ error: any Error) -> any Error {
        switch error {
        case let error as CocoaError:
            let reason = error.underlying.map { "\($0.localizedDescription)" } ?? error.localizedDescription
            return StartFailure("\(error.filePath ?? error.url?.path ?? "a file"): \(reason)")
        case let error as DecodingError:
            return StartFailure(error.sentence)
        default:
            return error
        }
    }
}

extension DecodingError {
    /// The problem and its position in the data, as a sentence.
    public var sentence: String {
        let (context, what): (Context, String) =
            switch self {
            case .typeMismatch(_, let context): (context, "has another type than expected")
            case .valueNotFound(_, let context): (context, "is missing")
            case .keyNotFound(let key, let context): (context, "lacks \(key.stringValue)")
            case .dataCorrupted(let context): (context, "is malformed")
            @unknown default: (Context(codingPath: [], debugDescription: ""), "is malformed")
            }
        let path = context.codingPath.map(\.stringValue).joined(separator: ".")
        return "the value read \(path.isEmpty ? "" : "at \(path) ")\(what)"
    }
}
