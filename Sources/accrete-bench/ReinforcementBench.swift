import ArgumentParser
import Foundation
import Reinforcement
import Statistics
import Wiring

/// PPO on CartPole-v1.
struct CartPoleBench: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "cartpole",
        abstract: "Learns CartPole-v1 with PPO and reports the mean return of 100 episodes afterwards.",
        discussion: """
            Gymnasium's equations, natively. CleanRL's settings: 4 environments of 128 steps a round, 4 epochs of 4 minibatches, Adam at
            2.5e-4 falling to 0, γ 0.99, λ 0.95, clip 0.2, entropy 0.01; evaluated with the most likely action. CleanRL reports 490 ± 6 at
            500,000 steps.

            Example:
              accrete-bench cartpole --seeds 1,2,3
            """)

    @OptionGroup var options: ReinforcementOptions
    @Option(help: "Steps in all environments together.") var steps = 500_000

    func run() throws {
        var settings = PPO.Configuration()
        settings.annealRounds = max(1, steps / settings.batch)
        try options.measure(CartPole(), copies: 4, steps: steps, every: steps / 50, goal: 475) { seed in
            try PPO(inputs: 4, actions: CartPole().actions, settings, seed: seed)
        }
    }
}

/// DDPG on Pendulum-v1.
struct PendulumBench: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pendulum",
        abstract: "Learns Pendulum-v1 with DDPG and reports the mean return of 100 episodes afterwards.",
        discussion: """
            Gymnasium's equations, natively. CleanRL's settings except for the start of learning (1,000 steps, not 25,000): Adam at 3e-4,
            batch 256, γ 0.99, τ 0.005, noise 0.1, networks of 256 and 256, the actor every second step; evaluated without noise.

            Example:
              accrete-bench pendulum --seeds 1,2,3
            """)

    @OptionGroup var options: ReinforcementOptions
    @Option(help: "Steps of the environment.") var steps = 20_000

    func run() throws {
        let settings = DDPG.Configuration()
        try options.measure(Pendulum(), copies: 1, steps: steps, every: steps / 50, goal: -200) { seed in
            try DDPG(inputs: 3, actions: Pendulum().actions, settings, seed: seed)
        }
    }
}

struct ReinforcementOptions: ParsableArguments {
    @Option(help: "Seeds, separated by commas.") var seeds = "1,2,3"
    @Option(help: "Number of episodes that evaluate a learned policy.") var episodes = 100
    @Option(help: ArgumentHelp("Draw how the returns rise into this file, as SVG.", valueName: "file")) var plot: String?
    @Flag(help: "Print one JSON object a seed and nothing else.") var json = false

    private struct Result: Encodable {
        let seed: UInt64
        let meanReturn, deviation, worst, seconds: Double
        let steps, episodes: Int
        /// Mean return of the episodes that ended in each fiftieth of the steps; 0 where none did.
        let curve: [Double]
        let reached: Bool
    }

    func measure<World: Environment>(
        _ world: World, copies: Int, steps: Int, every interval: Int, goal: Double, _ make: (UInt64) throws -> any ConfigurablePolicy
    ) throws {
        let numbers = seeds.split(separator: ",").compactMap { UInt64($0) }
        guard !numbers.isEmpty, steps >= 1000, episodes > 0 else {
            throw ValidationError("--seeds wants numbers like 1,2,3; at least 1000 steps and one episode")
        }
        var lines: [LinePlot.Curve] = []
        for seed in numbers {
            let start = ContinuousClock.now
            var training = Training(try make(seed), in: world, copies: copies, seed: seed &+ 1000), said = 0
            while training.steps < steps {
                training.advance()
                if training.steps - said >= steps / 10 {
                    said = training.steps
                    let recent = training.episodes.suffix(20).map(\.total)
                    let text = String(format: "seed %d: %d steps, newest episodes %.1f\n", seed, said, mean(recent))
                    FileHandle.standardError.write(Data(text.utf8))
                }
            }
            let seconds = (ContinuousClock.now - start) / .seconds(1)
            let returns = training.learner.policy.evaluate(in: world, episodes: episodes, seed: seed &+ 2000)
            let curve = stride(from: 0, to: steps, by: interval).map { from in
                mean(training.episodes.filter { (from..<from + interval).contains($0.step - 1) }.map(\.total))
            }
            var moments = RunningMoments()
            for value in returns { moments.add(value) }
            lines.append(.init(name: "seed \(seed)", points: tenths(curve).map { ($0.x * Double(interval) / 1000, $0.y) }))
            let result = Result(
                seed: seed, meanReturn: moments.mean, deviation: moments.standardDeviation, worst: returns.min() ?? 0, seconds: seconds,
                steps: training.steps, episodes: training.episodes.count, curve: curve, reached: moments.mean >= goal)
            if json {
                print(String(decoding: try JSONEncoder().encode(result), as: UTF8.self))
            } else {
                print(
                    String(
                        format: "seed %d: mean return %.1f ± %.1f over %d episodes (worst %.1f) after %d steps in %.0f s; %@ %.0f", seed,
                        moments.mean, moments.standardDeviation, episodes, result.worst, training.steps, seconds,
                        result.reached ? "at least" : "below", goal))
            }
        }
        try draw("\(World.self)", lines)
    }

    /// The mean of every fifth part of a tenth in which an episode ended, at the tenth's end.
    private func tenths(_ curve: [Double]) -> [(x: Double, y: Double)] {
        stride(from: 0, to: curve.count, by: 5).map { start in
            let end = min(start + 5, curve.count)
            return (Double(end), mean(curve[start..<end].filter { $0 != 0 }))
        }
    }

    private func draw(_ world: String, _ curves: [LinePlot.Curve]) throws {
        guard let plot else { return }
        let heights = curves.flatMap(\.points).map(\.y), low = min(0, heights.min() ?? 0), high = max(0, heights.max() ?? 0)
        let chart = LinePlot(
            title: "\(world), while exploring", across: "steps, thousands", up: "return", curves: curves, range: low...max(high, low + 1))
        try LinePlot.page([chart], columns: 1).write(toFile: plot, atomically: true, encoding: .utf8)
    }

    private func mean(_ numbers: [Double]) -> Double { numbers.isEmpty ? 0 : numbers.reduce(0, +) / Double(numbers.count) }
}
