import ArgumentParser
import Foundation
import Learning
import Model
import Statistics
import Tensors
import Wiring

/// Measures the milliseconds of a training step of a GPT-2: forward, backward, AdamW; alternating with a peer if one is given.
struct TrainingBench: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "training", abstract: "Measures the time of training steps of GPT-2s on random tokens.",
        discussion: """
            Example: accrete-bench training --shape small-1x64 --against "python3 ../shared/reference/torch_baseline.py"
            The peer is called with `train --size … --batch … --time … --threads … --seconds …` and prints a line of JSON with
            `stepSecondsMedian`; the ratio is the median over rounds that take turns.
            """)

    @Option(help: ArgumentHelp("SIZE-BATCHxTIME with SIZE small (4 layers of 256, 8,192 tokens) or 124m; repeatable.", valueName: "shape"))
    var shape = ["small-1x64", "small-8x64", "124m-1x64", "124m-1x128", "124m-4x64"]

    @Option(help: "Threads, of ours and of the peer.")
    var threads = 2

    @Option(help: "Seconds a round.")
    var seconds = 4.0

    @Option(help: "Rounds; with a peer, each is one of ours and one of its own.")
    var rounds = 3

    @Option(help: ArgumentHelp("A peer's command.", valueName: "command"))
    var against: String?

    @Flag(help: "A line of JSON a shape.")
    var json = false

    func run() throws {
        for name in shape {
            guard let shape = TrainingShape(name) else { throw ValidationError("there is no shape '\(name)'; an example is small-8x64") }
            let trainer = try Trainer(shape, threads: threads)
            var ours: [Double] = [], peers: [Double] = []
            for _ in 0..<rounds {
                ours.append(trainer.secondsPerStep(for: seconds))
                if let against { peers.append(try peerSeconds(against, shape)) }
            }
            report(name, trainer, ours, peers)
        }
    }

    private func report(_ name: String, _ trainer: Trainer, _ ours: [Double], _ peers: [Double]) {
        let step = median(ours), peak = matrixProductRate(), rate = trainer.operationsPerStep / step
        let ratio = peers.isEmpty ? nil : median(zip(peers, ours).map { $0 / $1 })
        if json {
            var fields = [
                "\"shape\":\"\(name)\"", "\"stepSecondsMedian\":\(step)", "\"stepSecondsBest\":\(ours.min()!)",
                "\"operationsPerSecond\":\(rate)", "\"plainProductOperationsPerSecond\":\(peak)",
            ]
            if let ratio { fields += ["\"peerStepSecondsMedian\":\(median(peers))", "\"ratio\":\(ratio)"] }
            print("{\(fields.joined(separator: ","))}")
        } else {
            var line = String(
                format: "%-11@ %8.1f ms, %5.1f GF/s, of one core's plain product %5.1f", name, step * 1e3, rate / 1e9, peak / 1e9)
            if let ratio { line += String(format: ", peer %8.1f ms, ratio %.2f", median(peers) * 1e3, ratio) }
            print(line)
        }
    }

    private func peerSeconds(_ command: String, _ shape: TrainingShape) throws -> Double {
        try Peer(command: command).figure(
            "stepSecondsMedian",
            "train --size \(shape.size) --batch \(shape.batch) --time \(shape.time) --threads \(threads) --seconds \(seconds)")
    }

    /// Operations a second of a large SGEMM on one core.
    private func matrixProductRate() -> Double {
        let n = 768, numbers = [Float](repeating: 0.5, count: n * n)
        var c = numbers
        let times = (0..<5).map { _ in
            ContinuousClock().measure {
                c.withUnsafeMutableBufferPointer { c in
                    Float.multiply(
                        Matrix(numbers, stride: n), Matrix(numbers, stride: n), into: c.baseAddress!, stride: n, m: n, n: n, k: n,
                        alpha: 1, beta: 0)
                }
            } / .seconds(1)
        }
        return 2 * Double(n * n * n) / times.min()!
    }
}

/// A model's size and how much text a step sees.
struct TrainingShape {
    let size: String
    let batch: Int, time: Int

    init?(_ name: String) {
        let parts = name.split(separator: "-"), extents = parts.last?.split(separator: "x").compactMap { Int($0) } ?? []
        guard parts.count == 2, ["small", "124m"].contains(parts[0]), extents.count == 2, extents.allSatisfy({ $0 > 0 && $0 <= 1_024 })
        else { return nil }
        size = String(parts[0])
        (batch, time) = (extents[0], extents[1])
    }

    var configuration: GPT2Configuration {
        size == "124m" ? GPT2Configuration() : GPT2Configuration(vocabularySize: 8_192, width: 256, layers: 4, heads: 4)
    }
}

final class Trainer {
    private let graph: Graph<Float>
    private let text: LanguageModel<Float>
    private let optimizer: Optimizer
    private let vocabulary: Int
    private var random = RandomSource(seed: 1)
    /// 6 · parameters · tokens: of the matrix products, without attention.
    let operationsPerStep: Double

    init(_ shape: TrainingShape, threads: Int) throws {
        let model = GPT2(shape.configuration), team = Team(count: threads)
        let store: ParameterStore<Float> = model.initialStore(using: &random)
        vocabulary = shape.configuration.vocabularySize
        graph = Graph(parameters: store, team: team)
        text = model.languageModel(batch: shape.batch, time: shape.time, in: graph)
        optimizer = Optimizer(try updateRule("adamw"), parameters: store, gradients: graph.gradients, team: team)
        let places = shape.configuration.positions * shape.configuration.width
        operationsPerStep = 6 * Double(store.layout.count - places) * Double(shape.batch * shape.time)
    }

    /// The median over at least three steps.
    func secondsPerStep(for seconds: Double) -> Double {
        let clock = ContinuousClock(), end = clock.now + .seconds(seconds)
        var times: [Double] = []
        while clock.now < end || times.count < 3 { times.append(clock.measure(step) / .seconds(1)) }
        return median(times)
    }

    private func step() {
        text.set((0..<text.batch).map { _ in (0...text.time).map { _ in Int.random(in: 0..<vocabulary, using: &random) } })
        graph.forward()
        graph.backward(from: text.loss)
        optimizer.step()
    }
}

private func median(_ numbers: [Double]) -> Double { numbers.sorted()[numbers.count / 2] }
