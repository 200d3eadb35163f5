import ArgumentParser
import Foundation
import Model
import Statistics
import Tensors

/// Measures greedy decoding and the reading of a prompt with a model's weights as they are stored in a file.
struct FileDecodingBench: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "decoding-file", abstract: "Measures decoding and the reading of a prompt with the weights of a GGUF file as stored.",
        discussion: """
            A peer is called with `FILE --threads … --tokens … --prompt … --runs 1`, alternating with this program, and prints a line of \
            JSON with `tokensPerSecond` and `promptTokensPerSecond`; the ratios are medians over rounds.

            Example:
              accrete-bench decoding-file --model models/smollm2-135m-instruct.gguf
            """)

    @Option(help: ArgumentHelp("The GGUF file, or a model's directory.", valueName: "file"))
    var model: String

    @Option(help: "Threads.")
    var threads = 2

    @Option(help: "Tokens a round, after a short prompt.")
    var tokens = 96

    @Option(help: "Tokens of the prompt that is read.")
    var prompt = 450

    @Option(help: "Rounds; the median counts.")
    var rounds = 5

    @Option(help: ArgumentHelp("A peer's command.", valueName: "command"))
    var against: String?

    @Flag(help: "Print one JSON object: tokensPerSecond, promptTokensPerSecond, residentBytes, and of it heapBytes.")
    var json = false

    func run() throws {
        let decoder = try TextDecoder(TrunkModel(path: model, storage: .stored), team: Team(count: threads))
        let longest = min(tokens + Self.opening.count, decoder.positions)
        guard tokens > 0, rounds > 0, prompt > 0, prompt <= decoder.positions, longest == tokens + Self.opening.count else {
            throw ValidationError("the model has \(decoder.positions) positions")
        }
        var decoding: [Double] = [], reading: [Double] = [], peers: [[Double]] = []
        for _ in 0..<rounds {
            decoding.append(decodingSpeed(decoder))
            reading.append(readingSpeed(decoder))
            guard let against else { continue }
            peers.append(
                try Peer(command: against).figures(
                    ["tokensPerSecond", "promptTokensPerSecond"],
                    "\(model) --threads \(threads) --tokens \(tokens) --prompt \(prompt) --runs 1"))
        }
        if json {
            let figures = [
                "tokensPerSecond": Self.median(decoding), "promptTokensPerSecond": Self.median(reading),
                "residentBytes": Double(Processes.resident), "heapBytes": Double(Processes.heap),
            ]
            return print(String(decoding: try JSONEncoder().encode(figures), as: UTF8.self))
        }
        print(line("decoding", decoding, peers.map { $0[0] }))
        print(line("reading \(prompt) tokens", reading, peers.map { $0[1] }))
    }

    private static let opening = [1, 2, 3, 4]

    private static func median(_ figures: [Double]) -> Double { figures.sorted()[figures.count / 2] }

    private func line(_ what: String, _ speeds: [Double], _ peers: [Double]) -> String {
        let own = "\(what): " + String(format: "%.1f tokens/s", Self.median(speeds))
        guard !peers.isEmpty else { return own }
        return own + String(format: "; peer %.1f, ratio %.2f", Self.median(peers), Self.median(zip(speeds, peers).map { $0 / $1 }))
    }

    private func decodingSpeed(_ decoder: TextDecoder) -> Double {
        decoder.forget(0)
        decoder.read(Self.opening.dropLast(), stream: 0)
        var token = Self.opening.last
        let time = ContinuousClock().measure {
            for _ in 0..<tokens {
                decoder.advance([token])
                token = decoder.logits(of: 0).argmax
            }
        }
        return Double(tokens) / (time / .seconds(1))
    }

    private func readingSpeed(_ decoder: TextDecoder) -> Double {
        decoder.forget(0)
        let size = decoder.plan.vocabularySize
        let text = (0..<prompt).map { $0 * 7_919 % size }
        let time = ContinuousClock().measure {
            decoder.read(text.dropLast(), stream: 0)
            decoder.advance([text.last])
        }
        return Double(prompt) / (time / .seconds(1))
    }
}
