import ArgumentParser
import Foundation
import Learning
import Model
import Statistics

/// A planted stretch of wrong labels, and a planted drift: what reaches those who use the model, and how soon it is repaired.
struct GateBench: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "gate",
        abstract: "Labels flipped for 500 moments, or a world that changes: the gated version beside one renewed on a fixed schedule.",
        discussion: """
            The AV-MNIST-like data in file order. Players are judged by the true labels, each moment before it is learned: what the gate lets serve, the
            dummy that is renewed every 8 moments, the twin that never learns, and the learner itself.
            flip: moments 1000 … 1499 say 9 − digit. drift: from moment 1200 on images and sounds are negatives of themselves. none: nothing is planted.

            Example:
              accrete-bench gate --data DATA/av3mnist --plant flip --seeds 3
            """)

    @Option(help: "The directory with manifest.csv, images-idx3-ubyte and audio/.") var data: String
    @Option(help: "flip, drift or none.") var plant = "flip"
    @Option(help: "Starting weights and draws, numbered from 1.") var seeds = 3
    @Option(help: "JSON laid over the gate's settings.") var gate = "{}"
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
        try settings.merge(try JSONDecoder().decode(JSONValue.self, from: Data(gate.utf8)))
        let door = try UpdateGate(settings, model, frozen: start, serving: start, random: RandomSource(seed: seed))
        let rules = rule.isEmpty ? [] : [try JSONDecoder().decode(TriggerRule.self, from: Data(rule.utf8))]
        var triggered = try TriggeredLearning(rules, model, frozen: start, seed: seed)
        let scheduled = start.copy(), dummy = try OnlineLearner(model, seed: seed)
        let players = [
            ("gated", MomentScorer(model, parameters: door.serving, rows: 1)),
            ("scheduled", MomentScorer(model, parameters: scheduled, rows: 1)),
            ("learner", MomentScorer(model, parameters: learner.parameters, rows: 1)),
            ("frozen", MomentScorer(model, parameters: start, rows: 1)),
        ]
        for (index, original) in moments.enumerated() {
            let segment = Self.segments.firstIndex { $0.contains(index) } ?? 0
            let (truth, told) = planted(original, at: index)
            for (name, scorer) in players where scorer.score(truth)?.isRight == true {
                right[name, default: Array(repeating: 0, count: Self.segments.count)][segment] += 1
            }
            door.observe(told, candidate: learner.servingParameters)
            let outcome = try learner.learn(told)
            try dummy.learn(told)
            triggered.observe(outcome, of: told, learner, good: door.serving, at: Int64(index) * 1_000_000_000)
            guard index % 8 == 7 else { continue }
            scheduled.assign(from: dummy.servingParameters)
            decisions[segment][door.decide(learner).decision, default: 0] += 1
        }
        guard ledger, seed == 1 else { return }
        for entry in triggered.ledger.entries where entry.verdict != .quiet {
            print(
                "moment \(entry.time / 1_000_000_000): \(entry.rule) \(entry.verdict.rawValue), \(entry.action.rawValue) \(entry.note ?? ""), cost \(entry.cost ?? 0), "
                    + String(format: "loss %.3f → %.3f", entry.before ?? 0, entry.after ?? 0))
        }
    }

    /// The moment by which players are judged, and the one that is told.
    private func planted(_ moment: MomentInput, at index: Int) -> (truth: MomentInput, told: MomentInput) {
        var truth = moment, told = moment
        if plant == "flip", (1000..<1500).contains(index) { told.label = 9 - (moment.label ?? 0) }
        if plant == "drift", index >= 1200 {
            for (name, sense) in moment.senses { truth.senses[name]?.values = sense.values.map { name == "image" ? 1 - $0 : -$0 } }
            told = truth
        }
        return (truth, told)
    }
}
