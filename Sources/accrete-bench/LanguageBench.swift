import ArgumentParser
import Foundation
import OnlineLanguage

/// Compares the code length of texts that a model reads once with compressors.
struct LanguageBench: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "language",
        abstract: "Reads texts once with an online language model and compares the code length with compressors.",
        discussion: "Compressors that are not installed are said to be absent.")

    @Option(parsing: .upToNextOption, help: ArgumentHelp("Texts.", valueName: "file"))
    var texts: [String]

    func run() throws {
        let names = ["accrete"] + compressors.map(\.name) + ["seconds"]
        print((["text".padded(to: 32)] + names.map { $0.padded(to: 11) }).joined())
        for path in texts {
            let bytes = [UInt8](try Data(contentsOf: URL(filePath: path)))
            guard !bytes.isEmpty else { throw ValidationError("\(path) is empty.") }
            let (bitsPerByte, seconds) = learned(bytes)
            let others = try compressors.map { compressor in
                try compressor.size(of: path).map { figure(Double($0 * 8) / Double(bytes.count)) } ?? "absent"
            }
            let cells = [figure(bitsPerByte)] + others + [String(format: "%.1f", seconds)]
            print(([URL(filePath: path).lastPathComponent.padded(to: 32)] + cells.map { $0.padded(to: 11) }).joined())
        }
    }

    private func learned(_ bytes: [UInt8]) -> (bitsPerByte: Double, seconds: Double) {
        let learner = ByteLearner(expectedBytes: bytes.count)
        var length = CodeLength()
        let time = ContinuousClock().measure {
            for byte in bytes { learner.read(byte, &length) }
        }
        return (length.bitsPerByte, time / .seconds(1))
    }

    private func figure(_ bitsPerByte: Double) -> String { String(format: "%.3f", bitsPerByte) }
}

/// A program that writes a file's compressed form.
private struct Compressor {
    let name: String
    /// The program may be called any of these.
    let programs: [String]
    let arguments: @Sendable (_ input: String, _ output: String) -> [String]
    /// Whether it writes to its standard output rather than to the output's path.
    var isFilter = false

    /// Bytes of the compressed file; nil if the program is absent or fails.
    func size(of input: String) throws -> Int? {
        guard let program = programs.lazy.compactMap(find).first else { return nil }
        let output = FileManager.default.temporaryDirectory.appending(path: "accrete-\(UUID()).\(programs[0])")
        defer { try? FileManager.default.removeItem(at: output) }
        let process = Process()
        process.executableURL = program
        process.arguments = arguments(input, output.path)
        process.standardError = FileHandle.nullDevice
        process.standardOutput = FileHandle.nullDevice
        if isFilter {
            try Data().write(to: output)
            process.standardOutput = try FileHandle(forWritingTo: output)
        }
        try process.run()
        process.waitUntilExit()
        guard process.terminationStatus == 0 else { return nil }
        return try FileManager.default.attributesOfItem(atPath: output.path)[.size] as? Int
    }

    private func find(_ program: String) -> URL? {
        let folders = (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":")
        return folders.map { URL(filePath: "\($0)/\(program)") }.first { FileManager.default.isExecutableFile(atPath: $0.path) }
    }
}

/// What texts are compressed with for comparison; a new one is a line.
private let compressors = [
    Compressor(name: "xz -9e", programs: ["xz"], arguments: { input, _ in ["-9e", "-k", "-c", input] }, isFilter: true),
    Compressor(name: "bzip2 -9", programs: ["bzip2"], arguments: { input, _ in ["-9", "-k", "-c", input] }, isFilter: true),
    Compressor(
        name: "PPMd", programs: ["7zz", "7z", "7za"],
        arguments: { input, output in ["a", "-t7z", "-m0=PPMd:o=8:mem=256m", output, input] }),
    Compressor(name: "zpaq -m5", programs: ["zpaq"], arguments: { input, output in ["a", output, input, "-m5"] }),
]

extension String {
    fileprivate func padded(to width: Int) -> String { padding(toLength: width, withPad: " ", startingAt: 0) }
}
