import ArgumentParser
import Foundation
import Learning
import Model
import Statistics

/// Measures the accuracy of a model when one sense is noisy or late, after learning from undisturbed senses.
struct CorruptionBench: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "corruption",
        abstract: "Accuracy against noise and delay of each sense, for every fusion, as a table and a plot.",
        discussion: """
            The stream of av3mnist is learned once, undisturbed; over its last moments each is also answered with one sense disturbed.
            Example: accrete-bench corruption --data ../shared/data/av3mnist --plot corruption.svg
            """)

    @Option(help: "The directory with manifest.csv, images-idx3-ubyte and audio/.")
    var data: String

    @Option(help: "A fusion; repeat for several. All, if not given.")
    var fusion: [String] = []

    @Option(help: "Initialisations, numbered from 1.")
    var seeds = 3

    @Option(help: "Moments at the end of the stream that are disturbed.")
    var last = 500

    @Option(help: "Write the curves, as an SVG, to this file.")
    var plot: String?

    func run() throws {
        let data = try AV3MNISTData(directory: data)
        let clean = try data.moments()
        let settings = Corruption.Kind.allCases.flatMap { kind in kind.levels.map { Corruption(kind: kind, level: $0) } }
        let first = max(0, clean.count - last)
        var random = RandomSource(seed: 1)
        let disturbed = try (first..<clean.count).map { index in
            try settings.map { setting in
                let (sample, late) = setting.apply(to: data.samples[index], random: &random)
                return try data.moment(sample).leaving(out: late)
            }
        }
        let names = fusion.isEmpty ? fusions.map(\.key) : fusion
        var accuracies: [String: [Double]] = [:]
        for name in names {
            var sums = Array(repeating: 0.0, count: settings.count)
            for seed in 1...max(1, seeds) {
                for (index, share) in try right(name, seed: UInt64(seed), clean, disturbed, from: first).enumerated() {
                    sums[index] += share
                }
            }
            accuracies[name] = sums.map { 100 * $0 / Double(max(1, seeds)) }
        }
        describe(settings, names, accuracies)
        if let plot { try page(settings, names, accuracies).write(toFile: plot, atomically: true, encoding: .utf8) }
    }

    /// The share of right answers by setting.
    private func right(_ fusion: String, seed: UInt64, _ clean: [MomentInput], _ disturbed: [[MomentInput]], from first: Int) throws
        -> [Double]
    {
        var configuration = MultimodalConfiguration()
        configuration.fusion = fusion
        configuration.senses = [.image, .audio]
        let learner = try OnlineLearner(MultimodalModel(configuration), seed: seed)
        let settings = disturbed.first?.count ?? 0
        let serving = MultimodalGraph.predicting(learner.model, parameters: learner.parameters, batch: max(1, settings), languageRows: 0)
        var right = Array(repeating: 0, count: settings)
        for (index, moment) in clean.enumerated() {
            if index >= first {
                for (row, version) in disturbed[index - first].enumerated() { serving.set(version, row: row) }
                serving.forward()
                for row in right.indices where serving.prediction(row: row).decided == moment.label { right[row] += 1 }
            }
            try learner.learn(moment)
        }
        return right.map { Double($0) / Double(max(1, disturbed.count)) }
    }

    private func describe(_ settings: [Corruption], _ names: [String], _ accuracies: [String: [Double]]) {
        for kind in Corruption.Kind.allCases {
            print("\n| \(kind.modality): \(kind.unit) | \(names.joined(separator: " | ")) |\n|---|\(names.map { _ in "---|" }.joined())")
            for (index, setting) in settings.enumerated() where setting.kind == kind {
                let row = names.map { String(format: "%.1f", accuracies[$0]?[index] ?? 0) }
                print("| \(String(format: "%g", setting.level)) | \(row.joined(separator: " | ")) |")
            }
        }
    }

    private func page(_ settings: [Corruption], _ names: [String], _ accuracies: [String: [Double]]) -> String {
        let plots = Corruption.Kind.allCases.map { kind in
            LinePlot(
                title: kind.rawValue.hasSuffix("Delay") ? "\(kind.modality), late" : "\(kind.modality), noisy", across: kind.unit,
                up: "right, %",
                curves: names.map { name in
                    .init(
                        name: name,
                        points: settings.indices.filter { settings[$0].kind == kind }.map {
                            (settings[$0].level, accuracies[name]?[$0] ?? 0)
                        })
                }, range: 0...100)
        }
        return LinePlot.page(plots, columns: 3)
    }
}
