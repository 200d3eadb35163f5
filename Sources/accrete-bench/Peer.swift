import ArgumentParser
import Foundation

/// Another program that does the same work, called alternately with this one for comparison.
struct Peer {
    let command: String

    /// Calls it with arguments; a figure of the line of JSON that it prints.
    /// - Throws: `ValidationError`, if it fails or does not print the figure.
    func figure(_ name: String, _ arguments: String) throws -> Double { try figures([name], arguments)[0] }

    /// Calls it once with arguments; several figures of the line of JSON that it prints.
    /// - Throws: as `figure`.
    func figures(_ names: [String], _ arguments: String) throws -> [Double] {
        let process = Process(), pipe = Pipe()
        process.executableURL = URL(filePath: "/bin/sh")
        process.arguments = ["-c", "\(command) \(arguments)"]
        process.standardOutput = pipe
        try process.run()
        let output = try pipe.fileHandleForReading.readToEnd() ?? Data()
        process.waitUntilExit()
        guard process.terminationStatus == 0 else { throw ValidationError("the peer '\(command)' ended with \(process.terminationStatus)") }
        let line = try? JSONSerialization.jsonObject(with: output) as? [String: Any]
        return try names.map { name in
            guard let figure = line?[name] as? Double else {
                throw ValidationError("the peer '\(command)' did not print {\"\(name)\": …}")
            }
            return figure
        }
    }
}
