import ArgumentParser
import Foundation
import Learning
import Model
import Reinforcement
import Statistics
import Tensors

/// PPO token by token on a small language model, with and without a penalty on the divergence from the initial model.
struct TextPolicyBench: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "text-policy",
        abstract: "Rewards a small language model for one letter, with and without a penalty on its divergence.",
        discussion: """
            A byte-level GPT-2 (2 layers of 64) first learns the text, then continues pieces of it and is rewarded with the share of the
            letter in its continuations. With the penalty, β is adapted so that the divergence from the initial model stays near its target.

            Examples:
              accrete-bench text-policy --text FILE --seeds 1,2,3
              accrete-bench text-policy --text FILE --learns trunk --rate 0.0002
            """)

    @Option(help: ArgumentHelp("The text that the language model learns first.", valueName: "file")) var text: String
    @Option(help: "The letter that is rewarded.") var letter = "e"
    @Option(help: "Rounds of generation and learning.") var rounds = 100
    @Option(help: "Steps of learning the text, 16 pieces of 32 bytes each.") var steps = 1500
    @Option(help: "Which parameters learn: adapters, or the whole trunk.") var learns = TextPPO.Configuration().learns
    @Option(help: "Adam's learning rate for the rewards.") var rate = TextPPO.Configuration().learningRate
    @Option(help: "The target divergence, in nats per byte.") var target = 0.2
    @Option(help: "Seeds, separated by commas.") var seeds = "1,2,3"
    @Option(help: ArgumentHelp("Draw share and divergence of the first seed into this file, as SVG.", valueName: "file")) var plot: String?
    @Flag(help: "Print one JSON object a run and nothing else.") var json = false

    private struct Result: Encodable {
        let seed: UInt64
        let hasPenalty: Bool
        let textLoss: Double
        let rounds: [Round]
        let sample: String
        let seconds: Double
    }

    /// What a round of writing and learning came to.
    private struct Round: Encodable {
        let score, divergence, penalty: Double
    }

    func run() throws {
        guard let data = FileManager.default.contents(atPath: text), data.count > 10_000, let byte = letter.utf8.first else {
            throw ValidationError("--text wants a file of at least 10,000 bytes, --letter one letter; \(text) is not it")
        }
        let bytes = data.map { Int($0) }
        var results: [Result] = []
        for seed in seeds.split(separator: ",").compactMap({ UInt64($0) }) {
            var configuration = MultimodalConfiguration()
            configuration.senses = [.init(name: "vector", rows: 1, columns: 1)]
            configuration.text.length = 32
            var random = RandomSource(seed: seed)
            let (start, textLoss) = try read(bytes, MultimodalModel(configuration), &random)
            for hasPenalty in [true, false] {
                let clock = ContinuousClock.now
                let (rounds, sample) = try write(bytes, configuration, start, Int(byte), hasPenalty, seed)
                results.append(
                    Result(
                        seed: seed, hasPenalty: hasPenalty, textLoss: textLoss, rounds: rounds, sample: sample,
                        seconds: (ContinuousClock.now - clock) / .seconds(1)))
                show(results[results.count - 1])
            }
        }
        try draw(results.prefix(2))
    }

    private func draw(_ results: ArraySlice<Result>) throws {
        guard let plot else { return }
        func chart(_ title: String, _ up: String, _ top: Double, _ value: (Round) -> Double) -> LinePlot {
            LinePlot(
                title: title, across: "round", up: up,
                curves: results.map { result in
                    let step = max(1, result.rounds.count / 10)
                    return .init(
                        name: result.hasPenalty ? "with penalty" : "without",
                        points: stride(from: 0, to: result.rounds.count, by: step).map {
                            (Double($0 + 1), value(result.rounds[$0]))
                        })
                }, range: 0...top)
        }
        let top = results.flatMap { $0.rounds.map(\.divergence) }.max() ?? 1
        let plots = [
            chart("The rewarded letter", "share", 1, \.score),
            chart("Divergence from the first model", "nats a byte", max(top, 0.1), \.divergence),
        ]
        try LinePlot.page(plots, columns: 2).write(toFile: plot, atomically: true, encoding: .utf8)
    }

    /// The model after it has learned the text, and its mean loss over the last hundred steps in nats a byte.
    private func read(_ bytes: [Int], _ model: MultimodalModel, _ random: inout RandomSource) throws -> (ParameterStore<Float>, Double) {
        let store = model.initialStore(using: &random), graph = Graph(parameters: store), opening = model.configuration.text.vocabulary - 1
        let language = model.trunk.languageModel(batch: 16, time: 32, in: graph)
        let optimizer = Optimizer(AdaptiveRule(learningRate: 2e-3), parameters: store, gradients: graph.gradients)
        var losses: [Double] = []
        for _ in 0..<steps {
            for row in 0..<16 {
                let place = random.uniform(below: bytes.count - 32)
                language.set([opening] + bytes[place..<place + 32], at: row)
            }
            graph.forward()
            graph.backward(from: language.loss)
            optimizer.step()
            losses.append(Double(language.loss.value))
        }
        let last = losses.suffix(100)
        return (store, last.reduce(0, +) / Double(max(1, last.count)))
    }

    private func write(
        _ bytes: [Int], _ configuration: MultimodalConfiguration, _ start: ParameterStore<Float>, _ letter: Int, _ hasPenalty: Bool,
        _ seed: UInt64
    ) throws -> ([Round], String) {
        var settings = TextPPO.Configuration()
        (settings.learns, settings.learningRate, settings.targetDivergence) = (learns, rate, target)
        if !hasPenalty { settings.penalty = 0 }
        let policy = try settings.policy(configuration), length = 24
        let learner = try TextPPO(policy, settings, maximumTokens: length, temperature: 1, seed: seed) { start }
        let decoder = MomentDecoder(try MultimodalModel(configuration), sampling: Sampling(), maximumTokens: length, measures: true)
        var random = RandomSource(seed: seed &+ 99), rounds: [Round] = [], text: [Int] = []
        for _ in 0..<self.rounds {
            let written = (0..<settings.texts).map { _ in
                let place = random.uniform(below: bytes.count - 8), moment = MomentInput(text: Array(bytes[place..<place + 8]))
                decoder.begin(moment, with: start, seed: random.next()) { policy.apply(learner.parameters, to: $0) }
                while decoder.next() != nil {}
                text = decoder.written
                return Transition(
                    observation: [], decision: Decision(decoder, of: moment, policy, learner.parameters),
                    reward: Double(text.count { $0 == letter }) / Double(length), next: [], nextValue: 0, isTerminal: true, isLast: true)
            }
            guard let progress = learner.learn(from: written) else { continue }
            rounds.append(
                Round(
                    score: written.reduce(0) { $0 + $1.reward } / Double(written.count), divergence: progress.fromReference,
                    penalty: progress.penalty))
        }
        return (rounds, String(decoding: text.filter { $0 < 256 }.map { UInt8($0) }, as: UTF8.self))
    }

    private func show(_ result: Result) {
        if json, let text = try? JSONEncoder().encode(result) { return print(String(decoding: text, as: UTF8.self)) }  // numbers are finite
        print(
            "seed \(result.seed), \(result.hasPenalty ? "with" : "without") the penalty: text at "
                + "\(String(format: "%.3f", result.textLoss)) nats a byte; "
                + String(format: "%.0f s; last text %@", result.seconds, result.sample.debugDescription))
        for index in stride(from: 0, to: result.rounds.count, by: max(1, result.rounds.count / 10)) {
            let part = result.rounds[index..<min(index + 5, result.rounds.count)]
            func mean(_ value: (Round) -> Double) -> Double { part.map(value).reduce(0, +) / Double(part.count) }
            print(
                String(
                    format: "  round %3d: share %.3f, divergence %.3f nats a byte, penalty %.3f", index + 1, mean(\.score),
                    mean(\.divergence), mean(\.penalty)))
        }
    }
}
