import ArgumentParser
import Evaluation
import Foundation
import Learning
import Model
import Statistics

/// Measures a multimodal learner's accuracy on earlier domains after the last one: the AV-MNIST-like data, one pair of digits or one
/// speaker after the other.
struct Continual: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "continual",
        abstract: "Accuracy on held-out moments of every domain, after a stream of one domain after the other.",
        discussion: """
            Every tenth sample is a test sample, on which the learner is tested after each domain. Joint training learns the same moments
            once, shuffled. A strategy is one or several names separated by commas, as in the setting learner.strategy; a number after a
            colon sets the number of remembered moments.

            Example:
              accrete-bench continual --data DATA/av3mnist --order classinc --strategy always --strategy er:500 --seeds 3
            """)

    @Option(help: "The directory with manifest.csv, images-idx3-ubyte and audio/.") var data: String
    @Option(help: "classinc or speaker; both, if not given.") var order: String?
    @Option(help: "A strategy; repeat for several.") var strategy = ["always", "lwf", "ewc", "er:200", "er:500", "der++:500", "mir:500"]
    @Option(help: "Number of seeds, from 1.") var seeds = 3
    @Flag(help: "One JSON object a row.") var json = false

    private struct Row: Encodable {
        let order, strategy: String
        /// By seed, shares.
        var average: [Double] = []
        var forgetting: [Double] = []
        var backwardTransfer: [Double] = []
        var prequential: [Double] = []
        var last: [[Double]] = []
    }

    func run() throws {
        var orders: [AV3MNISTData.Order] = [.classinc, .speaker]
        if let order {
            guard let chosen = AV3MNISTData.Order(rawValue: order) else {
                throw ValidationError("'\(order)' is no order; there are classinc and speaker")
            }
            orders = [chosen]
        }
        for order in orders {
            let stream = try AV3MNISTData(directory: data).moments(in: order)
            for name in ["joint"] + strategy {
                var row = Row(order: order.rawValue, strategy: name)
                for seed in 1...max(1, seeds) { try pass(stream, name, seed: UInt64(seed), into: &row) }
                try show(row)
            }
        }
    }

    private func pass(_ ordered: [AV3MNISTData.Placed], _ name: String, seed: UInt64, into row: inout Row) throws {
        var stream = ordered.filter { $0.sample % 10 != 0 }
        let test = ordered.filter { $0.sample % 10 == 0 }
        var names: [String] = []
        for moment in ordered where !names.contains(moment.domain) { names.append(moment.domain) }
        var settings = OnlineLearner.Configuration()
        let parts = name.split(separator: ":")
        if name == "joint" {
            var random = RandomSource(seed: seed)
            random.shuffle(&stream)
        } else {
            settings.strategy = String(parts[0])
            if parts.count > 1 { settings.memory = Int(parts[1]) ?? settings.memory }
        }
        var configuration = MultimodalConfiguration()
        configuration.senses = [.image, .audio]
        configuration.classes = 10
        let learner = try OnlineLearner(MultimodalModel(configuration), settings, seed: seed)
        let scorer = MomentScorer(learner.model, parameters: learner.parameters, rows: 16)
        func tested() -> [Double] {
            names.map { domain in
                let own = scorer.score(test.filter { $0.domain == domain }.map(\.input))
                return Double(own.count { $0?.isRight == true }) / Double(own.count)
            }
        }
        var matrix = AccuracyMatrix(domains: names, initial: tested())
        var right = 0
        for (index, moment) in stream.enumerated() {
            if scorer.score(moment.input)?.isRight == true { right += 1 }
            try learner.learn(moment.input)
            guard name != "joint", index + 1 == stream.count || stream[index + 1].domain != moment.domain else { continue }
            learner.consolidate()
            matrix.append(tested())
        }
        let last = tested()
        row.last.append(last)
        row.average.append(last.reduce(0, +) / Double(last.count))
        row.prequential.append(Double(right) / Double(stream.count))
        if let forgetting = matrix.forgetting { row.forgetting.append(forgetting) }
        if let transfer = matrix.backwardTransfer { row.backwardTransfer.append(transfer) }
    }

    private func show(_ row: Row) throws {
        if json { return print(String(decoding: try JSONEncoder().encode(row), as: UTF8.self)) }
        func spread(_ values: [Double]) -> String {
            var moments = RunningMoments()
            for value in values { moments.add(100 * value) }
            return values.isEmpty
                ? "       none" : String(format: "%5.1f ± %4.1f", moments.mean, values.count > 1 ? moments.standardDeviation : 0)
        }
        let domains = (row.last.first ?? []).indices.map { domain in
            String(format: "%3.0f", 100 * row.last.reduce(0) { $0 + $1[domain] } / Double(row.last.count))
        }
        print(
            row.order.padding(toLength: 9, withPad: " ", startingAt: 0) + " "
                + row.strategy.padding(toLength: 14, withPad: " ", startingAt: 0) + " "
                + "kept \(spread(row.average))  forgetting \(spread(row.forgetting))  by domain \(domains.joined(separator: " "))"
                + "  prequential \(spread(row.prequential))"
        )
    }
}
