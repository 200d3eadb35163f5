import Foundation
@testable import Learning
import Model
import Statistics
import Tensors
import Testing

@Suite struct UpdateInfluenceTests {
    /// The configuration refuses others, where versions are to be explained.
    @Test func everyNamedStrategyWhoseStepsCanBeMadeAgainSaysSo() throws {
        for name in strategies.map(\.key) {
            let learner = try learner(seed: 3) { $0.strategy = name }
            let isReplayed = (try? StepReplay(learner)) != nil
            #expect(learner.strategy.isExplainable == isReplayed, "\(name)")
        }
    }

    /// A moment that is left out of the only step: by hand, from the state before it.
    @Test func aGainIsWhatTheStepWithoutTheMomentCosts() throws {
        let learner = try learner(seed: 3) { ($0.optimizer, $0.languageRows, $0.modalityDropout) = ("sgd", 0, 0) }
        let influence = UpdateInfluence(learner, random: RandomSource(seed: 1)), rows = Rows()
        try warm(learner, influence, seed: 4)
        learner.observers.append(rows)
        let start = learner.parameters.copy(), anchors = influence.anchorInputs
        let explanation = try #require(try learn(TwoSenses.moments(1, seed: 9), learner, influence))
        #expect(explanation.rows == 8 && explanation.steps == 1 && explanation.anchors == anchors.count && explanation.uncounted == 0)
        #expect(influence.momentGains.count == 8)

        let graph = MultimodalGraph(learner.model, parameters: start.copy(), batch: 8, languageRows: 0)
        func loss(without left: Int?) -> Double {
            graph.parameters.assign(from: start)
            for (place, row) in rows.steps[0].enumerated() {
                if place == left {
                    graph.clear(row: place)
                } else {
                    graph.set(row.moment, row: place, hiding: row.hidden, shifts: row.shifts)
                }
            }
            graph.forward()
            graph.backward()
            for name in graph.gradients.layout.parameters.map(\.name) {
                let (w, g) = (graph.parameters[name], graph.gradients[name])
                for index in w.indices { w[index] -= 0.05 * g[index] }
            }
            let losses = MomentScorer(learner.model, parameters: graph.parameters, rows: 16).score(anchors).compactMap { $0?.loss }
            return losses.reduce(0, +) / Double(anchors.count)
        }
        let whole = loss(without: nil)
        for (place, row) in rows.steps[0].enumerated() {
            let (gain, expected) = (try #require(influence.momentGains[row.serial]), loss(without: place) - whole)
            #expect(abs(gain - expected) < 1e-5 + 0.02 * abs(expected), "\(gain), \(expected)")
        }
    }

    /// One of four sources gives wrong labels during the version.
    @Test func aSourceOfWrongLabelsIsFirstInTheList() throws {
        let found = try (1...5).filter { seed in
            let learner = try learner(seed: UInt64(seed))
            let influence = UpdateInfluence(learner, random: RandomSource(seed: 1))
            influence.budget = .seconds(600)
            try warm(learner, influence, seed: 10 + seed)
            var moments = TwoSenses.moments(24, seed: UInt64(20 + seed))
            for index in moments.indices where index % 4 == seed % 4 { moments[index].label = (moments[index].label! + 1 + seed % 3) % 4 }
            let explanation = try #require(try learn(moments, learner, influence))
            return explanation.sessions.first?.name == "\(seed % 4)"
        }
        #expect(found.count >= 4, "\(found)")
    }

    /// What is not made of the rows that were seen, to the bit, is not explained.
    @Test func aVersionWhoseStepsCannotBeMadeAgainIsNotExplained() throws {
        let learner = try learner(seed: 6), influence = UpdateInfluence(learner, random: RandomSource(seed: 1))
        try warm(learner, influence, seed: 7)
        #expect(try learn(TwoSenses.moments(4, seed: 8), learner, influence) != nil)
        influence.begin(learner)
        learner.parameters.values[0] += 0.5
        #expect(try learn(TwoSenses.moments(4, seed: 9), learner, influence) == nil)
        // Nor one with terms of a strategy's own, or of too many steps.
        influence.begin(learner)
        #expect(influence.isOpen)
        #expect(try learn(TwoSenses.moments(129, seed: 9), learner, influence) == nil)
        try learner.switchStrategy(to: "der++")
        influence.begin(learner)
        #expect(!influence.isOpen)
    }

    @Test func withoutTimeNothingIsExplained() throws {
        let learner = try learner(seed: 6), influence = UpdateInfluence(learner, random: RandomSource(seed: 1))
        influence.budget = .zero
        try warm(learner, influence, seed: 7)
        #expect(try learn(TwoSenses.moments(4, seed: 8), learner, influence) == nil && !influence.isOpen)
    }

    /// A correction goes on after the next moment has come: its steps are its own.
    @Test func furtherStepsFromAMomentAreItsOwn() throws {
        let learner = try learner(seed: 6), rows = Rows(), moments = TwoSenses.moments(3, seed: 8)
        learner.observers = [rows]
        for (index, moment) in moments.enumerated() { try learner.learn(moment, source: "s\(index)") }
        learner.stepAgain(with: moments[1])
        _ = learner.correct(by: moments[0])
        #expect(rows.steps.map { $0[0].source } == ["s0", "s1", "s2", "s1", "s0"])
        #expect(rows.steps.map { $0[0].serial } == [0, 1, 2, 1, 0])
    }

    @Test func explainingChangesNothingThatIsLearned() throws {
        let runs = try [false, true].map { explains in
            let learner = try learner(seed: 5)
            let influence = UpdateInfluence(learner, random: RandomSource(seed: 1))
            if explains { learner.observers = [influence] }
            for (index, moment) in TwoSenses.moments(80, seed: 6).enumerated() {
                if explains, index % 8 == 0 { influence.begin(learner) }
                let outcome = try #require(try learner.learn(moment))
                if explains { influence.note(outcome, of: moment, source: "", name: "\(index)", serial: learner.momentsSeen - 1) }
                if explains, index % 8 == 7 { _ = influence.finish(learner) }
            }
            return Array(learner.parameters.values)
        }
        #expect(runs[0] == runs[1])
    }

    @Test func listsAreBoundedAndAForgottenSourceIsInNone() throws {
        let learner = try learner(seed: 7)
        let influence = UpdateInfluence(learner, random: RandomSource(seed: 1))
        influence.budget = .seconds(600)
        learner.observers = [influence]
        func learn(_ count: Int, seed: UInt64) throws {
            for (index, moment) in TwoSenses.moments(count, seed: seed).enumerated() {
                let outcome = try #require(try learner.learn(moment, source: "s\(index % 40)"))
                influence.note(outcome, of: moment, source: "s\(index % 40)", name: "m\(index)", serial: learner.momentsSeen - 1)
            }
        }
        influence.begin(learner)
        #expect(!influence.isOpen)  // no anchors yet
        try learn(240, seed: 8)
        #expect(influence.finish(learner) == nil)
        influence.begin(learner)
        try learn(80, seed: 9)
        let explanation = try #require(influence.finish(learner))
        for list in [explanation.helped, explanation.harmed] { #expect(list.count <= UpdateExplanation.most && !list.isEmpty) }
        #expect(explanation.sessions.count == UpdateExplanation.most && explanation.bySession.count == UpdateExplanation.most)
        #expect(influence.momentGains.count == 48 && explanation.uncounted > 0)
        #expect(explanation.byModality.map(\.name).sorted() == ["audio", "image", "text"])
        #expect(explanation.byClass.reduce(0) { $0 + $1.anchors } == explanation.anchors)
        #expect(explanation.helped.contains { $0.name.hasPrefix("m") })
        let weighted = explanation.byClass.reduce(0) { $0 + Double($1.anchors) * $1.after } / Double(explanation.anchors)
        #expect(abs(weighted - explanation.after) < 1e-9)

        influence.begin(learner)
        influence.forget(source: "s1")
        #expect(!influence.isOpen && influence.finish(learner) == nil)
    }

    /// The rows of each step.
    private final class Rows: StepObserver {
        private(set) var steps: [[StepRow]] = []
        func willStep(_ rows: [StepRow]) { steps.append(rows) }
        func didStep(_ moved: Bool) {}
    }

    /// Learns moments of four sources in turn.
    /// - Returns: what the version's end says.
    @discardableResult
    private func learn(_ moments: [MomentInput], _ learner: OnlineLearner, _ influence: UpdateInfluence) throws -> UpdateExplanation? {
        for (index, moment) in moments.enumerated() {
            let outcome = try #require(try learner.learn(moment, source: "\(index % 4)"))
            influence.note(outcome, of: moment, source: "\(index % 4)", name: "\(index)", serial: learner.momentsSeen - 1)
        }
        return influence.finish(learner)
    }

    /// Learns 240 moments, and begins a version.
    private func warm(_ learner: OnlineLearner, _ influence: UpdateInfluence, seed: Int) throws {
        try learn(TwoSenses.moments(240, seed: UInt64(seed)), learner, influence)
        influence.begin(learner)
        #expect(influence.isOpen && influence.anchorInputs.count == 64)
        learner.observers = [influence]
    }

    private func learner(seed: UInt64, _ change: (inout OnlineLearner.Configuration) -> Void = { _ in }) throws -> OnlineLearner {
        var learning = OnlineLearner.Configuration()
        (learning.replayed, learning.languageRows) = (7, 1)
        learning.optimizerSettings = ["learning_rate": 0.003]
        change(&learning)
        if learning.optimizer == "sgd" { learning.optimizerSettings = ["learning_rate": 0.05] }
        return try OnlineLearner(MultimodalModel(TwoSenses.configuration), learning, seed: seed)
    }
}
