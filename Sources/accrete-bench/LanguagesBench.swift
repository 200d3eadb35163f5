import ArgumentParser
import Foundation
import Model
import OnlineLanguage
import Statistics
import Tensors

/// Online learning of one language, another, and the first again, by one model that reads each text once: measures code lengths and
/// forgetting.
struct LanguagesBench: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "languages",
        abstract: "Reads a first language, a second, and the first again with one GPT-2, with and without replay.",
        discussion: """
            A byte-level GPT-2 (4 layers of 128) with random initial weights. Bits per byte of each part, every byte predicted before it is
            learned; of the same part by a frozen baseline, which stopped learning when the part began; and, after each part, of the end of
            the first language's text, which is never learned.

            Example:
              accrete-bench languages --first tinyshakespeare_train.txt --second quijote_es.txt
            """)

    @Option(help: ArgumentHelp("A text in the first language.", valueName: "file")) var first: String
    @Option(help: ArgumentHelp("A text in the second.", valueName: "file")) var second: String
    @Option(help: "Bytes of each part; the last has half as many.") var bytes = 60_000
    @Option(help: "Bytes at the end of the first text that are only tested on.") var test = 10_000
    @Option(help: "Earlier windows that are learned again with each new one; repeat to compare.") var replays = [0, 1]
    @Option(help: "Number of seeds, from 1.") var seeds = 3
    @Flag(help: "One JSON object a row.") var json = false

    private struct Row: Encodable {
        let replays, seed: Int
        /// By part: bits a byte, of the frozen baseline, of the first language's test afterwards.
        var bitsPerByte: [Double] = []
        var frozenBitsPerByte: [Double] = []
        var testBitsPerByte: [Double] = []
        var bytesPerSecond = 0.0
    }

    func run() throws {
        func read(_ path: String) throws -> [Int] { try Data(contentsOf: URL(filePath: path)).map { Int($0) } }
        let (one, two) = (try read(first), try read(second))
        guard bytes > 0, test > 0, one.count >= bytes + bytes / 2 + test, two.count >= bytes else {
            throw ValidationError("\(first) wants \(bytes + bytes / 2 + test) bytes and \(second) \(bytes); a smaller --bytes may do")
        }
        let parts = [one[0..<bytes], two[0..<bytes], one[bytes..<bytes + bytes / 2]].map(Array.init)
        let kept = Array(one.suffix(test))
        if !json {
            print(
                "replays seed   first: bits/byte (frozen) second: bits/byte (frozen) first again (frozen)   "
                    + "kept test after 1, 2, 3     bytes/s"
            )
        }
        for replays in replays {
            for seed in 1...max(1, seeds) { try show(pass(parts, kept, replays, seed)) }
        }
    }

    private func pass(_ parts: [[Int]], _ kept: [Int], _ replays: Int, _ seed: Int) throws -> Row {
        let model = GPT2(GPT2Configuration(vocabularySize: 256, positions: 128, width: 128, layers: 4, heads: 4))
        let parameters = ParameterStore<Float>(ParameterLayout(model.parameters))
        var random = RandomSource(seed: UInt64(seed))
        model.initialize(parameters, using: &random)
        var configuration = TokenLearner.Configuration()
        (configuration.replays, configuration.seed, configuration.remembers) = (replays, seed, false)
        (configuration.fresh, configuration.context, configuration.rate) = (32, 96, 0.05)
        let learner = TokenLearner(model, parameters: parameters, start: nil, configuration)
        var row = Row(replays: replays, seed: seed), seconds = 0.0
        for part in parts {
            row.frozenBitsPerByte.append(
                try cost(part, by: TokenLearner(model, parameters: parameters.copy(), start: nil, configuration, learning: false)))
            let began = ContinuousClock.now
            row.bitsPerByte.append(try cost(part, by: learner))
            seconds += (ContinuousClock.now - began) / .seconds(1)
            row.testBitsPerByte.append(
                try cost(kept, by: TokenLearner(model, parameters: parameters.copy(), start: nil, configuration, learning: false)))
        }
        row.bytesPerSecond = Double(parts.reduce(0) { $0 + $1.count }) / seconds
        return row
    }

    private func cost(_ tokens: [Int], by learner: TokenLearner) throws -> Double {
        var bits = 0.0, place = 0
        while place < tokens.count {
            let next = tokens[place..<min(tokens.count, place + learner.fresh)]
            bits += try learner.read(next).bits
            place += next.count
        }
        return bits / Double(tokens.count)
    }

    private func show(_ row: Row) throws {
        if json { return print(String(decoding: try JSONEncoder().encode(row), as: UTF8.self)) }
        let parts = zip(row.bitsPerByte, row.frozenBitsPerByte).map { String(format: "%.3f (%.3f)", $0, $1) }.joined(
            separator: "            ")
        print(
            String(format: "%7d %4d   ", row.replays, row.seed) + parts + "   "
                + row.testBitsPerByte.map { String(format: "%.3f", $0) }.joined(separator: ", ")
                + String(format: "   %.0f", row.bytesPerSecond))
    }
}
