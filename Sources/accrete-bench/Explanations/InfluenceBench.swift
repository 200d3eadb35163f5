import ArgumentParser
import Foundation
import Learning
import Model
import Statistics

/// Measures whether the moments that are said to have moved an update are those that did.
struct InfluenceBench: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "influence",
        abstract: "Influence of moments on an update: against leaving them out and learning again, and with a source of wrong labels.",
        discussion: """
            Moments come from four sources in turn. After the first ones an update is explained: the gains of its new moments are compared,
            by Spearman's rank correlation, with the losses of learners that go on from the same checkpoint and never get one of them; these
            draw other moments to replay. In another run from the same seed one source gives wrong labels during the update; found says
            whether it is first in the list of sessions, which is by surprise. Cost is the time of learning with every update explained
            over the time without, of blocks that take turns.

            Examples:
              accrete-bench influence --seeds 10
              accrete-bench influence --data DATA/av3mnist --seeds 10 --json
            """)

    @Option(help: "The directory of av3mnist; the simulated session if not given.") var data: String?
    @Option(help: "Number of seeds, from 1.") var seeds = 10
    @Option(help: "Labelled moments that are learned before the update.") var learned = 800
    @Option(help: "Moments of the update that is compared.") var update = 8
    @Option(help: "Moments of the update in which one of four sources gives wrong labels.") var poisoned = 32
    @Flag(help: "One JSON object a seed.") var json = false

    func validate() throws {
        for (name, value) in [
            ("--seeds", seeds), ("--learned", learned), ("--update", update), ("--poisoned", poisoned),
        ] where !(1...1_000_000).contains(value) {
            throw ValidationError("\(name) must be 1…1000000, not \(value)")
        }
    }

    private struct Row: Encodable {
        struct Source: Encodable {
            let source: String
            let surprise, gain: Double?
            let isWrong: Bool
        }

        let data: String, seed: Int
        /// Spearman's rank correlation.
        var moments = 0.0
        var sources: [Source] = []
        /// Whether the source of wrong labels is first in the list, by surprise, and whether it is by its gain.
        var found = false, isMostHarmful = false
        /// The loss on anchors before and after that update.
        var before = 0.0, after = 0.0
        var cost = 0.0
    }

    private static let sources = 4
    /// Enough time for everything, also on a busy machine.
    private static let patience = Duration.seconds(600)

    func run() throws {
        var rows: [Row] = []
        for seed in 1...seeds {
            let row = try pass(seed)
            rows.append(row)
            if json {
                print(String(decoding: try JSONEncoder().encode(row), as: UTF8.self))
            } else {
                print(
                    String(
                        format: "seed %2d  moments %+.2f  wrong labels %@%@  loss %.3f → %.3f  cost %.2f", seed, row.moments,
                        row.found ? "found" : "missed", row.isMostHarmful ? ", and by gain" : "", row.before,
                        row.after, row.cost))
            }
        }
        guard !json else { return }
        print(
            String(
                format: "mean     moments %+.2f  wrong labels found in %d of %d, by gain in %d  cost %.2f", rows.map(\.moments).mean,
                rows.count(where: \.found), rows.count, rows.count(where: \.isMostHarmful), rows.map(\.cost).mean))
    }

    private func pass(_ seed: Int) throws -> Row {
        let (model, moments) = try stream(UInt64(seed))
        var row = Row(data: data == nil ? "simulated" : "av3mnist", seed: seed)
        try compare(model, moments, seed, into: &row)
        try poison(model, moments, seed, into: &row)
        row.cost = try cost(model, moments, seed)
        return row
    }

    private func stream(_ seed: UInt64) throws -> (MultimodalModel, [MomentInput]) {
        let needed = learned + max(update, poisoned)
        var configuration = MultimodalConfiguration(), moments: [MomentInput]
        if let data {
            configuration.senses = [.image, .audio]
            configuration.classes = 10
            moments = try AV3MNISTData(directory: data).moments()
            var random = RandomSource(seed: seed)
            random.shuffle(&moments)
        } else {
            var simulated = try SimulatedMoments(seed: seed, SimulatedMoments.steadyWorld)
            moments = try simulated.asked(needed).map(\.input)
        }
        guard moments.count >= needed else { throw ValidationError("\(needed) moments are needed, and there are \(moments.count)") }
        return (try MultimodalModel(configuration), moments)
    }

    /// A learner that has learned the first moments, and whose next update is explained.
    private func begun(_ model: MultimodalModel, _ moments: [MomentInput], _ seed: Int) throws -> (OnlineLearner, UpdateInfluence) {
        let learner = try OnlineLearner(model, seed: UInt64(seed))
        let influence = UpdateInfluence(learner, random: RandomSource(seed: UInt64(seed)))
        for (index, moment) in moments.prefix(learned).enumerated() { try learn(moment, index, learner, influence) }
        influence.begin(learner)
        learner.observers = [influence]
        return (learner, influence)
    }

    private func learn(_ moment: MomentInput, _ index: Int, _ learner: OnlineLearner, _ influence: UpdateInfluence) throws {
        let source = "\(index % Self.sources)"
        guard let outcome = try learner.learn(moment, source: source) else { return }
        influence.note(outcome, of: moment, source: source, name: "\(index)", serial: learner.momentsSeen - 1)
    }

    /// Against learners that go on from the same checkpoint and never get a moment: they draw other moments to replay, so what leaving out
    /// costs differs from draw to draw.
    private func compare(_ model: MultimodalModel, _ moments: [MomentInput], _ seed: Int, into row: inout Row) throws {
        let (learner, influence) = try begun(model, moments, seed)
        influence.budget = Self.patience
        let state = learner.state, new = learned..<learned + update
        for index in new { try learn(moments[index], index, learner, influence) }
        guard influence.finish(learner) != nil else { throw ValidationError("nothing was explained") }
        // Each moment of these streams has a serial number: its place.
        let gains = influence.momentGains
        func loss(without isLeftOut: (Int) -> Bool) throws -> Double {
            let other = try OnlineLearner(model, seed: UInt64(seed))
            try other.restore(state)
            for index in new where !isLeftOut(index) { try other.learn(moments[index], source: "\(index % Self.sources)") }
            let losses = MomentScorer(model, parameters: other.parameters, rows: 16).score(influence.anchorInputs).compactMap { $0?.loss }
            return losses.mean
        }
        let compared = new.filter { gains[$0] != nil }
        row.moments = rankCorrelation(
            compared.map { gains[$0] ?? 0 }, try compared.map { left in try loss { $0 == left } })
    }

    private func poison(_ model: MultimodalModel, _ moments: [MomentInput], _ seed: Int, into row: inout Row) throws {
        let (learner, influence) = try begun(model, moments, seed)
        influence.budget = Self.patience
        var random = RandomSource(seed: UInt64(seed))
        let culprit = seed % Self.sources, classes = data == nil ? 8 : 10
        for index in learned..<learned + poisoned {
            var moment = moments[index]
            if index % Self.sources == culprit { moment.label = ((moment.label ?? 0) + 1 + random.uniform(below: classes - 1)) % classes }
            try learn(moment, index, learner, influence)
        }
        guard let explanation = influence.finish(learner) else { throw ValidationError("nothing was explained") }
        row.found = explanation.sessions.first?.name == "\(culprit)"
        row.isMostHarmful = explanation.sessions.min { $0.gain ?? 0 < $1.gain ?? 0 }?.name == "\(culprit)"
        row.sources = explanation.sessions.map {
            Row.Source(source: $0.name, surprise: $0.surprise, gain: $0.gain, isWrong: $0.name == "\(culprit)")
        }
        (row.before, row.after) = (explanation.before, explanation.after)
    }

    /// Blocks of an update's length, with and without explanation in turn.
    private func cost(_ model: MultimodalModel, _ moments: [MomentInput], _ seed: Int) throws -> Double {
        let (learner, influence) = try begun(model, moments, seed)
        var seconds = [0.0, 0.0], index = 0
        while index + 2 * update <= min(learned, 40 * update) {
            for explains in [0, 1] {
                let start = ContinuousClock.now
                learner.observers = explains == 1 ? [influence] : []
                if explains == 1 { influence.begin(learner) }
                for moment in moments[index..<index + update] { try learner.learn(moment) }
                if explains == 1 { _ = influence.finish(learner) }
                seconds[explains] += (ContinuousClock.now - start) / .seconds(1)
                index += update
            }
        }
        return seconds[0] > 0 ? seconds[1] / seconds[0] : 0
    }
}
