import ArgumentParser
import Foundation
import Learning
import Model
import Statistics
import StrictJSON

/// Measures the effect of simulated wrong labels or of a simulated drift on the published model, with and without the update gate.
struct GateBench: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "gate",
        abstract: "Compares gated updates with ungated ones, with wrong labels for 500 moments or after a change of the data.",
        discussion: """
            The AV-MNIST-like data in file order. Four versions are scored by the true labels, each moment before it is learned: the
            gated version, the ungated baseline, which is renewed every 8 moments, the frozen baseline, which never learns, and the
            learner itself.
            flip: moments 1000 … 1499 have the label 9 − digit. drift: from moment 1200 on images and sounds are inverted. none: no change.

            Example:
              accrete-bench gate --data DATA/av3mnist --plant flip --seeds 3
            """)

    @Option(help: "The directory with manifest.csv, images-idx3-ubyte and audio/.") var data: String
    @Option(help: "flip, drift or none.") var plant = "flip"
    @Option(help: "Number of seeds, from 1.") var seeds = 3
    @Option(help: "JSON of settings that replace the gate's defaults.") var gate = "{}"
    @Option(help: "JSON of a trigger's settings; empty: no rule.") var rule = ""
    @Flag(help: "Print the first seed's ledger.") var ledger = false

    private static let segments = [0..<600, 600..<1000, 1000..<1200, 1200..<1300, 1300..<1500, 1500..<1600, 1600..<2000, 2000..<2400]

    func run() throws {
        let moments = try AV3MNISTData(directory: data).moments(dropping: false)
        var right: [String: [Double]] = [:]
        var decisions: [[GateVerdict.Decision: Int]] = Self.segments.map { _ in [:] }
        for seed in 1...max(1, seeds) { try pass(moments, UInt64(seed), &right, &decisions) }
        print(
            "moments".padding(toLength: 12, withPad: " ", startingAt: 0)
                + Self.segments.map { "\($0.lowerBound)–\($0.upperBound - 1)".padding(toLength: 11, withPad: " ", startingAt: 0) }.joined())
        for (name, sums) in right.sorted(by: { $0.key < $1.key }) {
            print(
                name.padding(toLength: 12, withPad: " ", startingAt: 0)
                    + zip(sums, Self.segments).map { sum, segment in
                        String(format: "%.1f %%", 100 * sum / Double(segment.count * seeds)).padding(
                            toLength: 11, withPad: " ", startingAt: 0)
                    }.joined())
        }
        print(
            "refused".padding(toLength: 12, withPad: " ", startingAt: 0)
                + decisions.map { counts in
                    let all = counts.values.reduce(0, +)
                    return "\(counts[.refused] ?? 0)+\(counts[.rolledBack] ?? 0)/\(all)".padding(toLength: 11, withPad: " ", startingAt: 0)
                }.joined())
    }

    private func pass(
        _ moments: [MomentInput], _ seed: UInt64, _ right: inout [String: [Double]], _ decisions: inout [[GateVerdict.Decision: Int]]
    ) throws {
        var configuration = MultimodalConfiguration()
        configuration.senses = [.image, .audio]
        let model = try MultimodalModel(configuration), learner = try OnlineLearner(model, seed: seed), start = learner.parameters.copy()
        var settings = UpdateGate.Configuration()
        settings.enabled = true
        try settings.merge(try JSONDecoder().decode(JSON.self, from: Data(gate.utf8)))
        let updateGate = try UpdateGate(settings, model, frozen: start, serving: start, random: RandomSource(seed: seed))
        let rules = rule.isEmpty ? [] : [try JSONDecoder().decode(TriggerRule.self, from: Data(rule.utf8))]
        var triggered = try TriggeredLearning(rules, model, frozen: start, seed: seed)
        let scheduled = start.copy(), ungated = try OnlineLearner(model, seed: seed)
        let versions = [
            ("gated", MomentScorer(model, parameters: updateGate.serving, rows: 1)),
            ("scheduled", MomentScorer(model, parameters: scheduled, rows: 1)),
            ("learner", MomentScorer(model, parameters: learner.parameters, rows: 1)),
            ("frozen", MomentScorer(model, parameters: start, rows: 1)),
        ]
        for (index, original) in moments.enumerated() {
            let segment = Self.segments.firstIndex { $0.contains(index) } ?? 0
            let (truth, labelled) = planted(original, at: index)
            for (name, scorer) in versions where scorer.score(truth)?.isRight == true {
                right[name, default: Array(repeating: 0, count: Self.segments.count)][segment] += 1
            }
            updateGate.observe(labelled, candidate: learner.servingParameters)
            let outcome = try learner.learn(labelled)
            try ungated.learn(labelled)
            triggered.observe(outcome, of: labelled, learner, good: updateGate.serving, at: Int64(nanosecondsIn: Double(index)))
            guard index % 8 == 7 else { continue }
            scheduled.assign(from: ungated.servingParameters)
            decisions[segment][updateGate.decide(learner).decision, default: 0] += 1
        }
        guard ledger, seed == 1 else { return }
        for entry in triggered.ledger.entries where entry.verdict != .quiet {
            print(
                "moment \(Int(Double(secondsIn: entry.time))): \(entry.rule) \(entry.verdict.rawValue), \(entry.action.rawValue) "
                    + "\(entry.note ?? ""), cost \(entry.cost ?? 0), "
                    + String(format: "loss %.3f → %.3f", entry.before ?? 0, entry.after ?? 0))
        }
    }

    /// The moment with its true label, by which versions are scored, and the moment with the label that is learned.
    private func planted(_ moment: MomentInput, at index: Int) -> (truth: MomentInput, labelled: MomentInput) {
        var truth = moment, labelled = moment
        if plant == "flip", (1000..<1500).contains(index) { labelled.label = 9 - (moment.label ?? 0) }
        if plant == "drift", index >= 1200 {
            for (name, sense) in moment.senses { truth.senses[name]?.values = sense.values.map { name == "image" ? 1 - $0 : -$0 } }
            labelled = truth
        }
        return (truth, labelled)
    }
}
