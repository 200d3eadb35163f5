import ArgumentParser
import Foundation
import Tokenization
import Wiring

/// Megabytes a second through a model's tokenizer, on one thread.
struct TokenizerBench: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "tokenizer", abstract: "Measures the speed of encoding and decoding texts.")

    @Option(help: ArgumentHelp("A directory with a tokenizer's files.", valueName: "dir"))
    var model: String

    @Option(help: "How often each text is read; the median counts.")
    var rounds = 9

    @Argument(help: "Texts.")
    var texts: [String]

    func run() throws {
        let clock = ContinuousClock()
        for path in texts {
            let text = [UInt8](try Data(contentsOf: URL(filePath: path)))
            var tokens: [Int] = []
            let encoding = try (0..<rounds).map { _ in
                let tokenizer = try openTokenizer(directory: model)
                return clock.measure { tokens = tokenizer.encode(text) }
            }
            let tokenizer = try openTokenizer(directory: model)
            let decoding = try (0..<rounds).map { _ in try clock.measure { _ = try tokenizer.decode(tokens) } }
            func speed(_ times: [Duration]) -> String {
                String(format: "%.1f MB/s", Double(text.count) / 1e6 / (times.sorted()[rounds / 2] / .seconds(1)))
            }
            print("\(path): \(text.count) bytes, \(tokens.count) tokens, encoding \(speed(encoding)), decoding \(speed(decoding))")
        }
    }
}
