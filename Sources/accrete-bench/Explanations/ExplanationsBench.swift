import ArgumentParser
import Foundation
import Learning
import Model
import Signals
import Statistics

/// Measures whether explanations name the parts that decide: deletion and insertion curves, and whether they point at the thing that is
/// asked about.
struct ExplanationsBench: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "explanations",
        abstract: "Deletion and insertion curves of the contributions of patches, frames and words, and their pointing accuracy.",
        discussion: """
            A model learns a stream once; moments that it has not learned and that it answers rightly are explained. Parts are taken out,
            the greatest contribution first (deletion), or put back into nothing in that order (insertion); the figure is the area under
            the probability of the answer, 0 … 1: low for deletion, high for insertion. Methods: integrated gradients, exact occlusion of
            one part at a time, gradient times input, Shapley values sampled over orders, and a random order. Pointing, of simulated
            moments: how often the patch with the greatest contribution shows the thing that the question is about (a quarter of the
            patches), or one of the two things (half of them).

            Examples:
              accrete-bench explanations --seeds 3
              accrete-bench explanations --data DATA/av3mnist --seeds 3 --json
            """)

    @Option(help: "The directory of av3mnist; the simulated session if not given.") var data: String?
    @Option(help: "Number of seeds, from 1.") var seeds = 3
    @Option(help: "Labelled moments that are learned.") var learned = 1_600
    @Option(help: "Moments that are explained.") var explained = 100
    @Option(help: "Steps of the integral.") var steps = 32
    @Option(help: "Orders over which Shapley values are sampled.") var orders = 8
    @Flag(help: "One JSON object a row.") var json = false

    func validate() throws {
        for (name, value) in [
            ("--seeds", seeds), ("--learned", learned), ("--explained", explained), ("--steps", steps), ("--orders", orders),
        ] where !(1...1_000_000).contains(value) {
            throw ValidationError("\(name) must be 1…1000000, not \(value)")
        }
    }

    private struct Row: Encodable {
        let data: String, seed: Int, method: String
        var moments = 0
        /// Mean areas.
        var deletion = 0.0, insertion = 0.0
        /// Shares of simulated moments.
        var pointing: Double?, either: Double?
        /// Of completeness: the mean of |Σ parts − (ln p − ln p of nothing)|, in nats.
        var error: Double?
        /// Forward and backward passes are counted alike by the clock: the mean time of an explanation.
        var milliseconds = 0.0
    }

    private struct Judged {
        var input: MomentInput
        /// Patches that show the thing asked about, and those that show either; empty without a simulated picture.
        var asked: Set<Int> = [], either: Set<Int> = []
    }

    private static let methods = PartsExplanation.Method.allCases.map(\.rawValue) + ["shapley", "random"]

    func run() throws {
        var rows: [String: [Row]] = [:]
        for seed in 1...seeds {
            for row in try pass(seed) {
                if json { print(String(decoding: try JSONEncoder().encode(row), as: UTF8.self)) }
                rows[row.method, default: []].append(row)
            }
        }
        guard !json else { return }
        print("method      deletion        insertion       pointing  either   error    ms")
        for method in Self.methods {
            let own = rows[method] ?? []
            func text(_ part: (Row) -> Double?, _ format: String) -> String {
                let numbers = own.compactMap(part)
                return numbers.isEmpty ? "–" : String(format: format, numbers.mean)
            }
            func spread(_ part: (Row) -> Double) -> String {
                String(format: "%.3f ± %.3f   ", own.map(part).mean, own.map(part).deviation)
            }
            print(
                method.padding(toLength: 12, withPad: " ", startingAt: 0) + spread(\.deletion) + spread(\.insertion)
                    + text(\.pointing, "%.3f") + "     " + text(\.either, "%.3f") + "    " + text(\.error, "%.4f") + "  "
                    + text(\.milliseconds, "%.1f"))
        }
    }

    private func pass(_ seed: Int) throws -> [Row] {
        let (learner, candidates) = try data.map { try trained(on: $0, UInt64(seed)) } ?? simulated(UInt64(seed))
        let explainer = PartsExplainer(learner.model, parameters: learner.parameters, batch: 16)
        let scorer = MomentScorer(learner.model, parameters: learner.parameters, rows: 1)
        let judged = candidates.filter { scorer.score($0.input)?.isRight == true }.prefix(explained)
        return Self.methods.map { method in
            var row = Row(data: data == nil ? "simulated" : "av3mnist", seed: seed, method: method)
            var random = RandomSource(seed: UInt64(seed)), pointed: [(asked: Bool, either: Bool)] = [], errors: [Double] = []
            for moment in judged {
                let start = ContinuousClock.now
                let contributions = contributions(to: moment.input, method, explainer, &random)
                row.milliseconds += (ContinuousClock.now - start) / .milliseconds(1)
                if let error = contributions.error { errors.append(error) }
                let ranked = contributions.parts.sorted { $0.value > $1.value }.map(\.part)
                let (deletion, insertion) = areas(moment.input, ranked, explainer)
                row.deletion += deletion
                row.insertion += insertion
                if !moment.asked.isEmpty, let patch = ranked.first(where: { $0.modality == "image" }) {
                    pointed.append((moment.asked.contains(patch.index), moment.either.contains(patch.index)))
                }
            }
            let count = Double(max(1, judged.count))
            row.moments = judged.count
            (row.deletion, row.insertion, row.milliseconds) = (row.deletion / count, row.insertion / count, row.milliseconds / count)
            if !pointed.isEmpty {
                row.pointing = Double(pointed.count { $0.asked }) / Double(pointed.count)
                row.either = Double(pointed.count { $0.either }) / Double(pointed.count)
            }
            if !errors.isEmpty { row.error = errors.mean }
            return row
        }
    }

    private func contributions(
        to moment: MomentInput, _ method: String, _ explainer: PartsExplainer<Float>, _ random: inout RandomSource
    ) -> (parts: [(part: MomentPart, value: Double)], error: Double?) {
        let parts = explainer.parts(of: moment)
        if let method = PartsExplanation.Method(rawValue: method) {
            let explanation = explainer.explain(moment, class: moment.label, by: method, steps: steps)
            let sum = explanation.parts.values.joined().reduce(0, +)
            return (
                parts.map { ($0, explanation.parts[$0.modality]?[$0.index] ?? 0) },
                method == .integrated ? abs(sum - (explanation.whole - explanation.nothing)) : nil
            )
        }
        var values = Dictionary(uniqueKeysWithValues: parts.map { ($0, 0.0) })
        for _ in 0..<(method == "shapley" ? orders : 1) {
            var order = parts
            random.shuffle(&order)
            guard method == "shapley" else { return (order.enumerated().map { ($1, -Double($0)) }, nil) }
            let curve = explainer.logProbabilities(of: moment, class: moment.label ?? 0, without: removals(order))
            for (index, part) in order.enumerated() { values[part, default: 0] += curve[index] - curve[index + 1] }
        }
        return (parts.map { ($0, values[$0] ?? 0) }, nil)
    }

    /// Nothing taken out, the first part, the first two, … all.
    private func removals(_ order: [MomentPart]) -> [Set<MomentPart>] { (0...order.count).map { Set(order.prefix($0)) } }

    /// The areas under the probability of the label: parts are taken out in order, and put back into nothing in that order.
    private func areas(
        _ moment: MomentInput, _ ranked: [MomentPart], _ explainer: PartsExplainer<Float>
    ) -> (deletion: Double, insertion: Double) {
        func area(_ without: [Set<MomentPart>]) -> Double {
            let p = explainer.logProbabilities(of: moment, class: moment.label ?? 0, without: without).map { exp($0) }
            return zip(p, p.dropFirst()).map { ($0 + $1) / 2 }.reduce(0, +) / Double(max(1, p.count - 1))
        }
        return (area(removals(ranked)), area(removals(ranked.reversed()).reversed()))
    }

    private func simulated(_ seed: UInt64) throws -> (OnlineLearner, [Judged]) {
        var moments = try SimulatedMoments(seed: seed, SimulatedMoments.steadyWorld)
        let learner = try OnlineLearner(MultimodalModel(MultimodalConfiguration()), seed: seed)
        for moment in try moments.asked(learned) { try learner.learn(moment.input) }
        let judged = try moments.asked(3 * explained).map { input, scene in
            // 4 × 4 patches of 12 pixels; a thing of radius 11 is in the middle of each half of the picture.
            let sides = [Set([4, 5, 8, 9]), Set([6, 7, 10, 11])]
            return Judged(input: input, asked: sides[scene.meant], either: sides[0].union(sides[1]))
        }
        return (learner, judged)
    }

    private func trained(on directory: String, _ seed: UInt64) throws -> (OnlineLearner, [Judged]) {
        let moments = try AV3MNISTData(directory: directory).moments()
        var configuration = MultimodalConfiguration()
        configuration.senses = [.image, .audio]
        configuration.classes = 10
        let learner = try OnlineLearner(MultimodalModel(configuration), seed: seed)
        let count = min(learned, moments.count)
        for moment in moments.prefix(count) { try learner.learn(moment) }
        return (learner, moments.dropFirst(count).map { Judged(input: $0) })
    }
}
