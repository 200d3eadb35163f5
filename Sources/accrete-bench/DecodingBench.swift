import ArgumentParser
import Foundation
import Model
import Statistics
import Tensors
import Wiring

/// Measures greedy decoding in tokens per second, and the bound given by the memory's bandwidth.
struct DecodingBench: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "decoding", abstract: "Measures the speed of greedy decoding with a GPT-2 of random weights.",
        discussion: """
            The bound is the measured memory bandwidth divided by the bytes of weights that a token needs.
            A peer is called with `decode --size … --threads …`, and `--int8` for that precision, alternating with this program, and prints
            a line of JSON with `tokensPerSecond`; the ratio is the median over rounds.

            Examples:
              accrete-bench decoding --size 124m --precision int8
              accrete-bench decoding --against "python3 ../shared/reference/torch_baseline.py"
            """)

    @Option(help: "small (4 layers of 256, 8,192 tokens) or 124m.")
    var size = "124m"

    @Option(help: "float32 or int8; repeatable.")
    var precision = ["float32", "int8"]

    @Option(help: "Threads.")
    var threads = 2

    @Option(help: "Tokens a round, after a prompt of 16.")
    var tokens = 48

    @Option(help: "Rounds; the median counts.")
    var rounds = 5

    @Option(help: ArgumentHelp("A peer's command.", valueName: "command"))
    var against: String?

    func run() throws {
        let configuration =
            size == "small"
            ? GPT2Configuration(vocabularySize: 8_192, positions: 1_024, width: 256, layers: 4, heads: 4) : GPT2Configuration()
        let model = GPT2(configuration), team = Team(count: threads)
        var random = RandomSource(seed: 1)
        let parameters = model.initialStore(of: Float.self, using: &random)
        let used = parameters.layout.count - configuration.positions * configuration.width
        for name in precision {
            guard let precision = DecodingPrecision(rawValue: name) else { throw ValidationError("there is no precision '\(name)'") }
            let decoder = TextDecoder(model, parameters, precision: precision, inOrder: true, team: team)
            var speeds: [Double] = [], bounds: [Double] = [], peers: [Double] = []
            for _ in 0..<rounds {
                speeds.append(tokensPerSecond(decoder))
                let bytes = precision == .int8 ? used : used * 4
                bounds.append(ReadingSpeed(parameters.values, team).bytesPerSecond / Double(bytes))
                guard let against else { continue }
                peers.append(
                    try Peer(command: against).figure(
                        "tokensPerSecond", "decode --size \(size) --threads \(threads)\(precision == .int8 ? " --int8" : "")"))
            }
            func median(_ figures: [Double]) -> Double { figures.sorted()[figures.count / 2] }
            let speed = median(speeds), bound = median(bounds)
            var line = "\(size) \(name): " + String(format: "%.1f tokens/s, memory allows %.1f: %.2f of it", speed, bound, speed / bound)
            if !peers.isEmpty {
                line += String(format: "; peer %.1f, ratio %.2f", median(peers), median(zip(speeds, peers).map { $0 / $1 }))
            }
            print(line)
        }
    }

    private func tokensPerSecond(_ decoder: TextDecoder) -> Double {
        decoder.forget(0)
        decoder.read(Array(1...15), stream: 0)
        var token = 16
        let time = ContinuousClock().measure {
            for _ in 0..<tokens {
                decoder.advance([token])
                let logits = decoder.logits(of: 0)
                token = logits.argmax ?? 0
            }
        }
        return Double(tokens) / (time / .seconds(1))
    }
}

/// How fast a team reads memory that no cache holds.
private final class ReadingSpeed: TeamWork {
    private(set) var bytesPerSecond = 0.0
    private let memory: UnsafeMutableBufferPointer<Float>
    private let sums: UnsafeMutablePointer<SIMD16<Float>>

    init(_ memory: UnsafeMutableBufferPointer<Float>, _ team: Team) {
        self.memory = memory
        sums = .allocate(capacity: team.count)
        sums.initialize(repeating: .zero, count: team.count)
        let time = ContinuousClock().measure { team.run(self) }
        bytesPerSecond = Double(memory.count * 4) / (time / .seconds(1))
    }

    deinit { sums.deallocate() }

    func work(_ share: Share, round: Int) {
        let part = share.of(memory.count / 64)
        let base = UnsafeRawPointer(memory.baseAddress!)
        var a = SIMD16<Float>.zero, b = a, c = a, d = a
        for block in part {
            let place = base + block * 256
            a += place.loadUnaligned(as: SIMD16<Float>.self)
            b += (place + 64).loadUnaligned(as: SIMD16<Float>.self)
            c += (place + 128).loadUnaligned(as: SIMD16<Float>.self)
            d += (place + 192).loadUnaligned(as: SIMD16<Float>.self)
        }
        sums[share.index] = a + b + c + d
    }
}
