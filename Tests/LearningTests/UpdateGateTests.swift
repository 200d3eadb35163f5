import Foundation
import Model
import Statistics
import Tensors
import Testing
@testable import Learning

@Suite struct UpdateGateTests {
    private struct Run {
        let learner: OnlineLearner
        let gate: UpdateGate
        var verdicts: [GateVerdict] = []

        init(seed: UInt64, surpriseAbove: Double = UpdateGate.Configuration().surpriseAbove) throws {
            var learning = OnlineLearner.Configuration()
            (learning.replayed, learning.languageRows, learning.memory) = (7, 0, 100)
            learning.optimizerSettings = ["learning_rate": 0.003]
            learner = try OnlineLearner(MultimodalModel(TwoSenses.configuration), learning, seed: seed)
            var settings = UpdateGate.Configuration()
            (settings.enabled, settings.anchors, settings.recent, settings.surpriseAbove) = (true, 32, 32, surpriseAbove)
            gate = try UpdateGate(
                settings, learner.model, frozen: learner.parameters.copy(), serving: learner.parameters, random: RandomSource(seed: seed))
        }

        mutating func take(_ moments: [MomentInput]) throws {
            for (index, moment) in moments.enumerated() {
                gate.observe(moment, candidate: learner.servingParameters)
                try learner.learn(moment)
                if index % 8 == 7 { verdicts.append(gate.decide(learner)) }
            }
        }

        /// The share of moments that the serving version answers rightly.
        func accuracy(over moments: [MomentInput]) -> Double {
            let scorer = MomentScorer(learner.model, parameters: gate.serving, rows: 1)
            return Double(moments.count { scorer.score($0)?.isRight == true }) / Double(moments.count)
        }
    }

    @Test func aPublishedVersionThatDoesWorseGivesWayToTheOneBeforeIt() throws {
        var run = try Run(seed: 1)
        try run.take(TwoSenses.moments(160, seed: 2))
        let good = Array(run.gate.good.values)
        run.gate.probation = (0, 0, 0)
        let broken = ParameterStore<Float>(run.gate.serving.layout)  // says nothing of anything
        run.gate.serving.assign(from: broken)
        for moment in TwoSenses.moments(32, seed: 3) { run.gate.observe(moment, candidate: broken) }
        let verdict = run.gate.decide(broken)
        #expect(verdict.decision == .rolledBack, "\(verdict)")
        let isBack = Array(run.gate.serving.values) == good
        #expect(isBack)
    }

    /// Labels that mean another class.
    private func wrong(_ count: Int, seed: UInt64) -> [MomentInput] {
        TwoSenses.moments(count, seed: seed).map { moment in
            var moment = moment
            moment.label = 3 - (moment.label ?? 0)
            return moment
        }
    }

    @Test(arguments: 1...3 as ClosedRange<UInt64>)
    func aStretchOfWrongLabelsNeverServes(seed: UInt64) throws {
        var run = try Run(seed: seed), plain = try Run(seed: seed)
        let test = TwoSenses.moments(200, seed: 99), before = TwoSenses.moments(240, seed: seed), wrong = wrong(320, seed: seed + 10)
        try run.take(before)
        let good = run.accuracy(over: test), served = Array(run.gate.serving.values)
        #expect(good > 0.9, "\(good)")
        try run.take(wrong)
        let isUntouched = Array(run.gate.serving.values) == served
        #expect(isUntouched, "\(run.verdicts.map(\.reason))")
        // Without the gate, the same labels are learned.
        for moment in before + wrong { try plain.learner.learn(moment) }
        plain.gate.serving.assign(from: plain.learner.servingParameters)
        #expect(plain.accuracy(over: test) < good - 0.3, "\(plain.accuracy(over: test))")
        // Right labels again: what is learned passes again.
        try run.take(TwoSenses.moments(80, seed: seed + 20))
        #expect(run.verdicts.contains { $0.reason.contains("the learner is reset") })
        #expect(run.verdicts.suffix(5).contains { $0.decision == .accepted })
        #expect(run.accuracy(over: test) > good - 0.05)
    }

    @Test(arguments: 1...3 as ClosedRange<UInt64>)
    func anchorsAloneEndAStretchOfWrongLabels(seed: UInt64) throws {
        var run = try Run(seed: seed, surpriseAbove: 0)
        let test = TwoSenses.moments(200, seed: 99), wrong = wrong(320, seed: seed + 10)
        try run.take(TwoSenses.moments(240, seed: seed))
        let good = run.accuracy(over: test)
        var worst = 1.0
        for start in stride(from: 0, to: wrong.count, by: 16) {
            try run.take(Array(wrong[start..<start + 16]))
            worst = min(worst, run.accuracy(over: test))
        }
        #expect(worst > good - 0.1, "\(worst) of \(good)")
        #expect(run.verdicts.contains { $0.reason.contains("the learner is reset") })
        for decision in [GateVerdict.Decision.accepted, .refused, .rolledBack] {
            #expect(run.gate.decisions[decision, default: 0] == run.verdicts.count { $0.decision == decision }, "\(decision)")
        }
    }

    @Test(arguments: 1...3 as ClosedRange<UInt64>)
    func aWorldThatHasChangedIsLearned(seed: UInt64) throws {
        var run = try Run(seed: seed)
        func changed(_ moments: [MomentInput]) -> [MomentInput] {
            moments.map { moment in
                var moment = moment
                // far from all that was seen
                for (name, sense) in moment.senses { moment.senses[name]?.values = sense.values.map { 2 - $0 } }
                return moment
            }
        }
        let test = changed(TwoSenses.moments(200, seed: 99))
        try run.take(TwoSenses.moments(240, seed: seed))
        let before = run.accuracy(over: test)
        #expect(before < 0.5, "\(before)")
        try run.take(changed(TwoSenses.moments(400, seed: seed + 10)))
        #expect(run.accuracy(over: test) > 0.9, "\(run.accuracy(over: test)), \(run.verdicts.suffix(50).map(\.reason))")
    }

    @Test func weightsThatAreNoNumbersNeverPass() throws {
        let run = try Run(seed: 1)
        let broken = run.learner.parameters.copy()
        broken.values[7] = .nan
        #expect(run.gate.decide(broken).decision == .refused)
        #expect(run.gate.serving.values.allSatisfy { $0.isFinite })
    }

    // MARK: Texts

    private static func asked(_ text: [Int], _ answer: [Int]?) -> MomentInput {
        var moment = MomentInput(text: text)
        moment.answer = answer
        return moment
    }

    private func textGate(_ learner: OnlineLearner) throws -> UpdateGate {
        var settings = UpdateGate.Configuration()
        settings.enabled = true
        return try UpdateGate(
            settings, learner.model, frozen: learner.parameters.copy(), serving: learner.parameters, random: RandomSource(seed: 5),
            judgesTexts: true)
    }

    /// What was corrected and published must not be lost by a later version; after three refusals the learner is as the serving version.
    @Test func aCandidateThatForgetsACorrectionIsRefused() throws {
        var learning = OnlineLearner.Configuration()
        (learning.replayed, learning.languageRows, learning.memory) = (1, 2, 100)
        learning.optimizerSettings = ["learning_rate": 0.01]
        (learning.correctionSteps, learning.correctionLoss) = (200, 0.02)
        let learner = try OnlineLearner(MultimodalModel(TwoSenses.configuration), learning, seed: 3), gate = try textGate(learner)
        let correction = Self.asked([1, 2], [3, 4])
        gate.observe(correction, source: "a", candidate: learner.parameters)
        try learner.learn(correction, source: "a")
        #expect(gate.decide(learner).decision == .accepted)
        let taught = learner.parameters.copy()
        let broken = ParameterStore<Float>(learner.parameters.layout)  // every token is equally likely
        learner.parameters.assign(from: broken)
        let verdict = gate.decide(learner)
        #expect(verdict.decision == .refused && verdict.reason.contains("texts"), "\(verdict)")
        for _ in 0..<2 { #expect(gate.decide(learner).decision != .accepted) }
        #expect(Array(learner.parameters.values) == Array(taught.values))
        gate.forget(source: "a")
        #expect(gate.decide(broken).decision == .accepted)
    }

    @Test func theTextsThatJudgeAreBoundedAndGoOnFromTheirState() throws {
        var texts = TextAnchors(random: RandomSource(seed: 1))
        for number in 0..<50 {
            texts.admit(Self.asked([number % 7], number % 5 == 0 ? [1] : nil), from: "s\(number % 3)") { Double(number) }
        }
        let corrections = texts.anchors.filter { $0.input.answer != nil }
        #expect(corrections.map(\.reference) == [30, 35, 40, 45] && texts.anchors.count == 8 && texts.seen == 40)
        #expect(texts.harm(texts.anchors.map { $0.reference + ($0.input.answer == nil ? -1 : 0.5) }) == 0.5)
        texts.admit(MomentInput(label: 1), from: "s") { 0 }
        texts.admit(Self.asked([1], [2]), from: "s") { nil }
        #expect(texts.anchors.count == 8)
        var numbers: [Float] = [], copy = TextAnchors(random: RandomSource(seed: 2))
        let packed = texts.packed(to: &numbers)
        let isRestored = copy.unpack(packed, from: numbers)
        #expect(isRestored)
        #expect(copy.inputs == texts.inputs && copy.anchors.map(\.reference) == texts.anchors.map(\.reference))
        var damaged = packed
        damaged.references[0] = .nan
        let isDamaged = !copy.unpack(damaged, from: numbers)
        #expect(isDamaged)
        texts.forget(source: "s1")
        #expect(texts.anchors.allSatisfy { $0.source != "s1" } && texts.anchors.count < 8)
    }

    @Test func anchorsAreForgottenWithTheirSource() throws {
        var set = AnchorSet(capacity: 8, age: 100, random: RandomSource(seed: 1))
        for number in 0..<6 { set.admit(MomentInput(label: number % 2), from: "s\(number % 3)", loss: 0.1, at: number) }
        var numbers: [Float] = [], copy = AnchorSet(capacity: 8, age: 100, random: RandomSource(seed: 2))
        let isRestored = copy.unpack(set.packed(to: &numbers), from: numbers)
        #expect(isRestored)
        copy.forget(source: "s1")
        #expect(copy.anchors.map(\.source) == ["s0", "s2", "s0", "s2"] && copy.anchors.map(\.ordinal) == [0, 2, 3, 5])
    }

    @Test func aGateGoesOnExactlyFromItsState() throws {
        var whole = try Run(seed: 1)
        try whole.take(TwoSenses.moments(100, seed: 2))
        let (progress, tensors) = whole.gate.state
        let copy = try Run(seed: 7)
        let read = try JSONDecoder().decode(UpdateGate.State.self, from: JSONEncoder().encode(progress))
        #expect(copy.gate.restore(read, tensors))
        copy.gate.scorers.frozen.parameters.assign(from: whole.gate.scorers.frozen.parameters)  // the seed's own
        for moment in TwoSenses.moments(40, seed: 3) {
            whole.gate.observe(moment, candidate: whole.learner.parameters)
            copy.gate.observe(moment, candidate: whole.learner.parameters)
        }
        #expect(whole.gate.decide(whole.learner.parameters) == copy.gate.decide(whole.learner.parameters))
        #expect(!copy.gate.restore(read, [:]))
    }
}
