import ArgumentParser
import Foundation
import OnlineLanguage
import Yams

/// Reads a text once and tells how well it was predicted.
struct Stream: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Reads a text once, predicting every byte before learning from it, and prints the code length.",
        discussion: """
            The prequential code length, in bits per byte, is what a compressor built on the model would need: what is learned from a
            byte can only help with those after it. Beside it stands the same model left frozen, which learns nothing.

            Any file will do; nothing needs to be set. --config takes a YAML or JSON file of these settings:
              memory: 1024    the most memory for what was seen, in MiB
              rate: 0.002     how fast the experts' weights follow the text, 0…0.1

            Examples:
              accrete model stream --text book.txt
              accrete model stream --text book.txt --json
            """
    )

    @Option(help: ArgumentHelp("The text, or any other file.", valueName: "file"))
    var text: String

    @Option(help: ArgumentHelp("Settings, in YAML or JSON.", valueName: "file"))
    var config: String?

    @Flag(help: "Print nothing but {\"bytes\", \"bitsPerByte\", \"frozenBitsPerByte\", \"seconds\"}.")
    var json = false

    func run() throws {
        let settings = try config.map(Self.settings(in:)) ?? ByteLearner.Configuration()
        let bytes = try Self.contents(of: text)
        let learner = ByteLearner(settings, expectedBytes: bytes.count)
        let frozen = ByteLearner(settings, expectedBytes: bytes.count, learning: false)
        var (learned, unlearned) = (CodeLength(), CodeLength())
        let clock = ContinuousClock()
        let start = clock.now
        for byte in bytes {
            learner.read(byte, &learned)
            frozen.read(byte, &unlearned)
            if !json, learned.bytes % 65536 == 0 { report(learned, unlearned, of: bytes.count, start.duration(to: clock.now)) }
        }
        conclude(learned, unlearned, start.duration(to: clock.now))
    }

    private func report(_ learned: CodeLength, _ frozen: CodeLength, of total: Int, _ time: Duration) {
        let line = String(format: "%9d of %d bytes  %.3f bits per byte, frozen %.3f  %.0f kB/s\n", learned.bytes, total,
                          learned.bitsPerByte, frozen.bitsPerByte, Double(learned.bytes) / time.seconds / 1000)
        FileHandle.standardError.write(Data(line.utf8))
    }

    private func conclude(_ learned: CodeLength, _ frozen: CodeLength, _ time: Duration) {
        if json {
            print(String(format: #"{"bytes":%d,"bitsPerByte":%.5f,"frozenBitsPerByte":%.5f,"seconds":%.3f}"#,
                         learned.bytes, learned.bitsPerByte, frozen.bitsPerByte, time.seconds))
        } else {
            print(String(format: "%d bytes: %.3f bits per byte; frozen %.3f; %.1f s",
                         learned.bytes, learned.bitsPerByte, frozen.bitsPerByte, time.seconds))
        }
    }

    private static func contents(of path: String) throws -> Data {
        do {
            return try Data(contentsOf: URL(filePath: path), options: .mappedIfSafe)
        } catch {
            throw ValidationError("\(path) can't be read: \(error.localizedDescription)")
        }
    }

    private static func settings(in path: String) throws -> ByteLearner.Configuration {
        let data = try contents(of: path)
        do {
            return try YAMLDecoder().decode(ByteLearner.Configuration.self, from: data)
        } catch let error as DecodingError {
            throw ValidationError("\(path): \(error.sentence)")
        }
    }
}

extension DecodingError {
    /// What is wrong, and where.
    fileprivate var sentence: String {
        switch self {
        case .dataCorrupted(let context): context.underlyingError.map { "\($0)" } ?? context.debugDescription
        case .typeMismatch(_, let context), .valueNotFound(_, let context), .keyNotFound(_, let context):
            "\(context.codingPath.map(\.stringValue).joined(separator: ".")): \(context.debugDescription)"
        @unknown default: localizedDescription
        }
    }
}

extension Duration {
    fileprivate var seconds: Double { self / .seconds(1) }
}
