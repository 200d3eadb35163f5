import ArgumentParser
import Foundation
import Learning
import Model
import Privacy
import Statistics
import Tensors

/// What differential privacy costs in accuracy, and what an attack learns of a model with and without it.
struct PrivateBench: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "private",
        abstract: "Accuracy against epsilon, and an attack on membership by planted wrong labels.",
        discussion: """
            The stream of av3mnist is predicted and learned in one pass, as a mean of gradients that are clipped for each moment, with noise \
            for each epsilon, and without both by the same number of steps and rows. Then some moments get a wrong label at random and are \
            planted into the stream; the attack says that a wrong label was learned where its loss is below a threshold, which one in a \
            thousand wrong labels of moments that were not learned is below. The time of a step is that of a batch's rows one by one, \
            beside one pass over the batch.

            Example: accrete-bench private --data ../shared/data/av3mnist --epsilons 2,8,32 --seeds 3
            """)

    @Option(help: "The directory with manifest.csv, images-idx3-ubyte and audio/.")
    var data: String

    @Option(help: "Budgets, separated by commas.")
    var epsilons = "2,8,32"

    @Option(help: "The probability with which the bound may not hold.")
    var delta = 1e-5

    @Option(help: "Initialisations, numbered from 1; the noise has no seed.")
    var seeds = 3

    @Option(help: "The expected number of moments of a step.")
    var batch = 256

    @Option(help: "The number of moments before the first step.")
    var start = 700

    @Option(help: "The number of moments between two steps.")
    var every = 4

    @Option(help: "The norm that gradients are clipped to.")
    var clip = 1.0

    @Option(help: "The learning rate, of Adam.")
    var rate = 0.002

    @Option(help: "What learns: all, or heads, beside encoders at their random initial weights.")
    var scope = "heads"

    @Option(help: "The fusion.")
    var fusion = "late"

    @Option(help: "Moments with wrong labels that are planted.")
    var canaries = 600

    @Option(help: "Moments that are not learned, each of which is tried with all nine wrong labels.")
    var outside = 900

    @Flag(help: "Leave out the attack.")
    var accuracyOnly = false

    @Flag(help: "One JSON object.")
    var json = false

    struct Row: Encodable {
        /// Nil without privacy.
        var epsilon: Double?
        var noise = 0.0
        var steps: [Int] = []
        var accuracy = Accuracies()
        var spent: [Double] = []
        var attack: Attack?
    }

    struct Report: Encodable {
        var delta, clip, rate: Double
        var batch, start, moments, parameters: Int
        /// The number of parameters that learn.
        var learned: Int
        var rows: [Row] = []
        /// Milliseconds of a step: of a batch at once, and of its moments one by one, clipped, with noise.
        var batchMilliseconds, privateMilliseconds: Double
    }

    func run() throws {
        let budgets = try epsilons.split(separator: ",").map { text in
            guard let epsilon = Double(text), epsilon > 0 else { throw ValidationError("--epsilons: '\(text)' is no budget") }
            return epsilon
        }
        let moments = try AV3MNISTData(directory: data).moments()
        guard every > 0, batch > 0, start > 0, moments.count > start + 500, canaries + outside < moments.count - start else {
            throw ValidationError("\(moments.count) moments are too few for \(start), \(canaries) and \(outside)")
        }
        var configuration = MultimodalConfiguration()
        configuration.senses = [.image, .audio]
        (configuration.classes, configuration.fusion) = (10, fusion)
        let model = try MultimodalModel(configuration)
        let time = try milliseconds(of: model, moments), isInScope = try parameterScopes.find(scope, for: "--scope")
        var report = Report(
            delta: delta, clip: clip, rate: rate, batch: batch, start: start, moments: moments.count,
            parameters: model.layout.parameters.reduce(0) { $0 + $1.count },
            learned: model.layout.parameters.filter { isInScope($0.name) && model.learns($0, trunk: nil) }.reduce(0) { $0 + $1.count },
            batchMilliseconds: time.batch, privateMilliseconds: time.one)
        for epsilon in [nil] + budgets.map(Optional.some) { report.rows.append(try row(epsilon, model, moments)) }
        if json {
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.sortedKeys, .prettyPrinted]
            print(String(decoding: try encoder.encode(report), as: UTF8.self))
        } else {
            describe(report)
        }
    }

    // MARK: Learning

    private func row(_ epsilon: Double?, _ model: MultimodalModel, _ moments: [MomentInput]) throws -> Row {
        var row = Row(epsilon: epsilon)
        for seed in 1...max(1, seeds) {
            let trainer = try PrivateTrainer(settings, model, epsilon: epsilon, steps: steps(moments), seed: UInt64(seed))
            let right = try trainer.learn(moments)
            row.accuracy.add(right)
            row.noise = trainer.noise
            row.steps.append(trainer.learner.steps)
            row.spent += trainer.learner.privacyLedger.map { [$0.epsilon(delta: delta)] } ?? []
            if !accuracyOnly {
                let attacked = Canaries(moments, planted: canaries, outside: outside, seed: UInt64(seed))
                let victim = try PrivateTrainer(
                    settings, model, epsilon: epsilon, steps: steps(attacked.stream), seed: UInt64(seed))
                _ = try victim.learn(attacked.stream)
                row.attack = (row.attack ?? Attack()) + attacked.attack(victim.learner)
            }
            FileHandle.standardError.write(Data("\(epsilon.map { "epsilon \($0)" } ?? "without"), seed \(seed)\n".utf8))
        }
        return row
    }

    private var settings: PrivateTrainer.Settings {
        .init(batch: batch, start: start, every: every, clip: clip, delta: delta, rate: rate, scope: scope)
    }

    private func steps(_ moments: [MomentInput]) -> Int { (moments.count - start) / max(1, every) + 1 }

    /// Milliseconds of a step of a whole batch, and of a private one, in turns.
    private func milliseconds(of model: MultimodalModel, _ moments: [MomentInput]) throws -> (batch: Double, one: Double) {
        let rounds = 15, first = Array(moments.prefix(start + rounds))
        var each = settings
        each.every = 1
        let whole = try PrivateTrainer(each, model, epsilon: nil, steps: rounds, seed: 1)
        let noisy = try PrivateTrainer(each, model, epsilon: 1e3, steps: rounds, seed: 1)
        for trainer in [whole, noisy] { _ = try trainer.learn(Array(first.prefix(start - 1))) }
        var times: [(batch: Double, one: Double)] = []
        func milliseconds(_ trainer: PrivateTrainer, _ moment: MomentInput) throws -> Double {
            let start = ContinuousClock.now
            _ = try trainer.learn([moment])
            return 1000 * ((ContinuousClock.now - start) / .seconds(1))
        }
        for moment in first.suffix(rounds) { times.append((try milliseconds(whole, moment), try milliseconds(noisy, moment))) }
        return (times.map(\.batch).sorted()[rounds / 2], times.map(\.one).sorted()[rounds / 2])
    }

    // MARK: Printing

    private func describe(_ report: Report) {
        func spread(_ numbers: [Double]) -> String { String(format: "%.1f ± %.1f", numbers.mean, numbers.deviation) }
        func milliseconds(_ time: Double) -> String { String(format: "%.1f ms", time) }
        print(
            "\(report.learned) of \(report.parameters) parameters learn, \(report.batch) moments a step, "
                + "at once \(milliseconds(report.batchMilliseconds)), one by one with noise \(milliseconds(report.privateMilliseconds))\n")
        print("| epsilon | noise | steps | all | last 500 | planted found | false | 95 % interval |\n|---|---|---|---|---|---|---|---|")
        for row in report.rows {
            let found = row.attack.map { attack in
                "\(attack.found) of \(attack.planted), \(String(format: "%.2f", 100 * attack.rate)) % | "
                    + "\(String(format: "%.2f", 100 * attack.falseRate)) % | "
                    + "\(String(format: "%.2f", 100 * attack.interval.lower))–\(String(format: "%.2f", 100 * attack.interval.upper)) %"
            }
            let steps = row.steps.map(String.init).joined(separator: ", ")
            print(
                "| \(row.epsilon.map { "\($0)" } ?? "none") | \(String(format: "%.3f", row.noise)) | \(steps) | "
                    + "\(spread(row.accuracy.all)) | \(spread(row.accuracy.last500)) | \(found ?? "| |") |")
        }
    }
}
