import FilesTesting
import Forgetting
import Foundation
import Messaging
import Model
import Pipeline
import PipelineTesting
import Privacy
import Schema
import Testing
@testable import Configuration
@testable import Learn
@testable import Learning

/// The learner as a stage with differential privacy: what it says, counts, keeps to itself and refuses.
struct PrivateLearnTests {
    private let folder = Folder()

    private func settings(in directory: String = "", _ change: (inout GraphSettings) -> Void = { _ in }) -> GraphSettings {
        var settings = GraphSettings()
        (settings.model.width, settings.model.heads, settings.model.layers) = (8, 2, 1)
        (settings.model.text.length, settings.model.text.buckets, settings.model.classes) = (8, 16, 4)
        settings.learner.languageRows = 1
        settings.mode = .lockstep
        settings.evaluate.holdOut = 0
        (settings.learn.publishEvery, settings.learn.labelPatience, settings.learn.checkpointEvery) = (4, 3, 8)
        (settings.learn.directory, settings.learn.stream, settings.learn.run) = (directory, "one", "first")
        settings.privacy.learning.enabled = true
        (settings.privacy.learning.start, settings.privacy.learning.batch, settings.privacy.learning.every) = (4, 2, 1)
        settings.privacy.learning.epsilon = 1_000
        change(&settings)
        return settings
    }

    private func harness(_ settings: GraphSettings) throws -> Harness<LearnProcessor> {
        Harness(try LearnProcessor(settings, clock: VirtualClock()))
    }

    private func input(_ event: MomentEvent) throws -> LearnProcessor.Input {
        var payload: [Payload] = []
        if case .moment? = event.event { payload = [Payload([104, 105] as [Float])] }
        return try .init(WireMessage(event, on: try Topics.moment("a"), payload: payload))
    }

    private func moment(_ ordinal: UInt64, _ kind: CutKind = .labelRequest) throws -> LearnProcessor.Input {
        try input(
            .with {
                $0.stamp = Stamp(from: "fuse", sequence: ordinal)
                $0.moment = .with {
                    ($0.ordinal, $0.session, $0.id, $0.kind) = (ordinal, "a", "a/\(ordinal)", kind)
                    $0.senses = [.with { ($0.modality, $0.present, $0.rows, $0.columns, $0.validity) = ("text", true, 2, 1, 1) }]
                }
            })
    }

    private func feedback(of ordinal: UInt64, _ change: (inout Feedback) -> Void) throws -> LearnProcessor.Input {
        try input(
            .with {
                $0.stamp = Stamp(from: "fuse", sequence: 1000 + ordinal)
                $0.feedback = .with {
                    ($0.session, $0.moment) = ("a", "a/\(ordinal)")
                    change(&$0)
                }
            })
    }

    private func label(_ label: UInt32, of ordinal: UInt64) throws -> LearnProcessor.Input {
        try feedback(of: ordinal) { ($0.label, $0.classes) = (label, 4) }
    }

    /// Moments whose labels come two moments later.
    private func stream(_ moments: ClosedRange<UInt64>) throws -> [LearnProcessor.Input] {
        var inputs: [LearnProcessor.Input] = []
        for ordinal in moments {
            inputs.append(try moment(ordinal))
            if ordinal > 2 { inputs.append(try label(UInt32(ordinal % 4), of: ordinal - 2)) }
        }
        return inputs
    }

    private func updates(_ outputs: [Outgoing]) -> [ModelUpdate] { outputs.compactMap { $0.message as? ModelUpdate } }

    private func pool(_ learner: Harness<LearnProcessor>) throws -> [PrivatePool.Place] {
        try #require(learner.processor.guided.learner.privacy).pool.places
    }

    @Test func updatesSayWhatWasSpentAndNoLossOfMoments() throws {
        var learner = try harness(settings(in: folder.path("said"))), outputs: [Outgoing] = []
        for input in try stream(1...24) { outputs += learner.send(input) }
        let published = updates(outputs), learned = published.dropFirst(3)
        #expect(learner.refusals.isEmpty && Set(published.map(\.sha256)).count > 3)
        for update in learned {
            let reason = update.reason
            #expect(reason.contains("private: epsilon ") && reason.hasSuffix("at delta 1e-05 for each moment"), "\(reason)")
            #expect(update.loss == 0)
        }
        let gauges = learner.processor.telemetry.gauges
        #expect(gauges["privacySteps"]! > 10 && gauges["privacyEpsilon"]! > 1 && gauges["privacyBudget"] == 1_000)
        let file = try PrivacyLedgerFile(directory: folder.path("said")).read()
        #expect(file == learner.processor.guided.learner.privacyLedger)
    }

    @Test func whatAKilledLearnerHasReleasedStaysCounted() throws {
        let settings = settings(in: folder.path("killed")), inputs = try stream(1...21)
        var learner = try harness(settings)
        for input in inputs { _ = learner.send(input) }
        let spent = try #require(learner.processor.guided.learner.privacyLedger)
        learner = try harness(settings)  // killed: it goes on from a checkpoint of fewer moments
        #expect(learner.processor.progress.momentsSeen < 21 && learner.processor.progress.momentsSeen > 0)
        #expect(learner.processor.guided.learner.privacyLedger == spent)
        for input in inputs { _ = learner.send(input) }
        #expect(learner.processor.guided.learner.privacyLedger!.steps > spent.steps, "the steps that are made again count again")
        #expect(try pool(learner).count == 19, "no moment is in the pool twice")
        #expect(
            learner.processor.guided.learner.privacyLedger!.epsilon(delta: 1e-5) > spent.epsilon(delta: 1e-5))

        try FileManager.default.removeItem(atPath: folder.path("killed") + "/training.safetensors")
        try? FileManager.default.removeItem(atPath: folder.path("killed") + "/previous")
        try Data("{".utf8).write(to: URL(filePath: folder.path("killed") + "/privacy.spent"))
        #expect(throws: (any Error).self, "what was spent is not known") { try harness(settings) }
    }

    @Test func eachMomentIsLearnedOnceWithWhatComesForIt() throws {
        var learner = try harness(settings { $0.privacy.learning.start = 64 })
        for ordinal in 1...10 as ClosedRange<UInt64> {
            _ = learner.send(try moment(ordinal, .explicit))
            if ordinal == 5 { _ = learner.send(try label(1, of: 4)) }
            if ordinal == 6 { _ = learner.send(try label(2, of: 4)) }
        }
        #expect(learner.refusals.map(\.reason) == [.orphanLabel])
        #expect(learner.processor.telemetry.drops[.labelNeverCame] == 0)
        let places = try pool(learner)
        // the fourth with its label, and those that have waited for three others
        #expect(places.count == 6 && places.compactMap { $0.moment?.label } == [1])
    }

    @Test func correctionsAreLearnedButNotRecalled() throws {
        var learner = try harness(settings { $0.answer.after = ["utterance", "label"] }), outputs: [Outgoing] = []
        for ordinal in 1...4 as ClosedRange<UInt64> { outputs += learner.send(try moment(ordinal)) }
        outputs += learner.send(try feedback(of: 3) { $0.text = "yes" })
        #expect(learner.refusals.isEmpty)
        #expect(try pool(learner).contains { $0.moment?.answer != nil })
        #expect(learner.processor.corrections.corrections.isEmpty)
        #expect(outputs.compactMap { $0.message as? MemoryUpdate }.allSatisfy { $0.corrections.isEmpty && $0.texts.isEmpty })
    }

    @Test func atTheBudgetTheModelServesAsItIsAndSaysSo() throws {
        let settings = settings(in: folder.path("budget")) {
            ($0.privacy.learning.epsilon, $0.privacy.learning.sampling, $0.privacy.learning.unit) = (20, .order, .session)
        }
        var learner = try harness(settings), outputs: [Outgoing] = []
        for input in try stream(1...60) { outputs += learner.send(input) }
        #expect(learner.processor.telemetry.gauges["privacySpent"] == 1)
        #expect(learner.processor.telemetry.gauges["privacyEpsilon"]! <= 20)
        let last = updates(outputs).suffix(4)
        #expect(Set(last.map(\.sha256)).count == 1 && last.allSatisfy { $0.reason.hasSuffix("its budget: nothing more is learned") })
        let lines = outputs.compactMap { $0.message as? TriggerLedgerPart }.flatMap(\.lines).filter { $0.rule == "privacy" }
        #expect(lines.count == 1 && lines[0].note.hasPrefix("the budget is spent"))
    }

    @Test func aResetTakesNothingBackOfWhatWasSpent() throws {
        var learner = try harness(settings(in: folder.path("reset")))
        for input in try stream(1...16) { _ = learner.send(input) }
        let spent = learner.processor.guided.learner.privacyLedger
        _ = try learner.processor.guided.execute(.with { $0.resetAll = true }, kept: KeptVersions(directory: "", most: 0), at: 0)
        #expect(learner.processor.guided.learner.privacyLedger == spent && learner.processor.guided.learner.steps == 0)
        #expect(try pool(learner).isEmpty)
    }

    @Test func aModelThatHasLearnedWithoutPrivacyIsNotGoneOnWithAsIfItHadIt() throws {
        var plain = try harness(settings(in: folder.path("plain")) { $0.privacy.learning.enabled = false })
        for input in try stream(1...20) { _ = plain.send(input) }
        #expect(throws: (any Error).self) { try harness(settings(in: folder.path("plain"))) }
        var noisy = try harness(settings(in: folder.path("unit")))
        for input in try stream(1...20) { _ = noisy.send(input) }
        #expect(throws: (any Error).self, "another unit") {
            try harness(settings(in: folder.path("unit")) { $0.privacy.learning.unit = .session })
        }
    }

    @Test func whatIsNotAccountedForIsRefused() {
        func keys(_ change: (inout GraphSettings) -> Void) -> [String] {
            var settings = GraphSettings()
            settings.privacy.learning.enabled = true
            change(&settings)
            return settings.problems.map(\.key)
        }
        #expect(keys { _ in }.isEmpty, "the defaults fit")
        #expect(keys { $0.learner.strategy = "der++" } == ["learner.strategy"])
        #expect(keys { $0.learner.strategySettings = ["match_weight": 0.5] } == ["learner.strategy"])
        #expect(keys { $0.learner.strategy = "heads" }.isEmpty)
        #expect(keys { $0.learner.stepsPerMoment = 2 } == ["learner.stepsPerMoment"])
        #expect(keys { $0.learn.gate.enabled = true } == ["learn.gate.enabled"])
        #expect(keys { $0.learn.rememberedTokens = 16 } == ["learn.rememberedTokens"])
        #expect(keys { $0.personal.enabled = true } == ["personal.enabled"])
        #expect(keys { ($0.decide.policy, $0.decide.choices) = ("ppo", 2) } == ["decide.policy"])
        #expect(keys { $0.privacy.learning.pool = 100_000 } == ["privacy.learning.pool"])
        #expect(keys { $0.privacy.learning.delta = 1 } == ["privacy.learning.delta"])
        var plain = GraphSettings()
        (plain.learner.strategy, plain.learn.gate.enabled) = ("der++", true)
        #expect(plain.problems.isEmpty)
    }

    @Test func forgettingExactlyIsRefused() throws {
        var settings = settings(in: folder.path("forget"))
        settings.journal.directory = folder.path("journal")
        settings.privacy.persons = [.init(person: "ada", sessions: ["a"])]
        let ada = try #require(ForgottenSubject(person: "ada", settings.privacy))
        #expect(throws: ForgettingError.self) {
            try ExactUnlearning(settings, directory: folder.path("forget"), ada, clock: VirtualClock())
        }
    }
}
