import Files
import FilesTesting
import Foundation
import Learning
import Memory
import Messaging
import Model
import Pipeline
import PipelineTesting
import Safetensors
import Schema
import Tensors
import Testing
@testable import Configuration
@testable import Evaluate
@testable import Fuse
@testable import Learn
@testable import Serving

import struct Statistics.RandomSource

/// A correction is published before it is learned, recalled by answers to similar questions, saved, and forgotten with its source.
struct CorrectionMemoryTests {
    private let folder = Folder()

    private func settings(_ mode: Mode = .live, in directory: String = "") -> GraphSettings {
        var settings = GraphSettings()
        (settings.model.width, settings.model.heads, settings.model.layers, settings.model.classes) = (8, 2, 1, 4)
        settings.model.senses = [.init(name: "vector", rows: 1, columns: 2, hidden: 8)]
        (settings.model.text.length, settings.model.text.buckets) = (96, 16)
        (settings.learner.replayed, settings.learner.languageRows, settings.learner.correctionSteps) = (1, 2, 3)
        settings.mode = mode
        (settings.learn.directory, settings.learn.labelPatience) = (directory, 2)
        settings.answer.after = ["utterance"]
        settings.answer.maximumTokens = 24
        return settings
    }

    private static let question = "who keeps the key", answer = "ann keeps it"

    private func moment(_ ordinal: UInt64, _ text: String = question, arrived: Int64 = 0) -> Moment {
        .with {
            ($0.ordinal, $0.session, $0.id, $0.kind, $0.arrived) = (ordinal, "a", "a/\(ordinal)", .utteranceEnd, arrived)
            $0.senses = [
                .with {
                    $0.modality = "text"; $0.present = true; $0.rows = UInt32(text.utf8.count); $0.columns = 1; $0.validity = 1
                }
            ]
        }
    }

    private func message(_ event: MomentEvent, _ text: String = "") throws -> WireMessage {
        var event = event
        event.stamp = Stamp(from: "fuse", sequence: 1)
        return try WireMessage(event, on: try Topics.moment("a"), payload: text.isEmpty ? [] : [Payload(text.utf8.map(Float.init))])
    }

    private func asked(_ ordinal: UInt64, _ text: String = question, arrived: Int64 = 0) throws -> WireMessage {
        try message(.with { $0.moment = moment(ordinal, text, arrived: arrived) }, text)
    }

    private func correction(of ordinal: UInt64, _ text: String = answer) throws -> WireMessage {
        try message(.with { $0.feedback = .with { ($0.session, $0.moment, $0.text) = ("a", "a/\(ordinal)", text) } })
    }

    private func learner(_ settings: GraphSettings) throws -> Harness<LearnProcessor> {
        Harness(try LearnProcessor(settings, clock: VirtualClock()))
    }

    private func memories(_ outputs: [Outgoing]) -> [MemoryUpdate] { outputs.compactMap { $0.message as? MemoryUpdate } }

    @Test func aCorrectionIsPublishedBeforeItsStepsAreTaken() throws {
        var learn = try learner(settings())
        learn.send(try .init(asked(1)))
        let steps = learn.processor.guided.learner.steps
        let published = memories(learn.sendAlone(try .init(correction(of: 1))))
        #expect(published.map { $0.corrections.map(\.question) } == [[Self.question]])
        #expect(published.first?.corrections.first?.answer == Self.answer && published.first?.corrections.first?.source == "a")
        #expect(learn.processor.guided.learner.steps == steps)
        #expect(memories(learn.work()).isEmpty)
        #expect(learn.processor.guided.learner.steps == steps + 4)  // its own, and three further ones
        #expect(memories(learn.advance(by: .milliseconds(10))).isEmpty && learn.refusals.isEmpty)
    }

    /// A person corrects an answer long after its moment was learned.
    @Test func anAnswerIsCorrectedAfterTheWindowOfLabelsHasPassed() throws {
        var learn = try learner(settings())
        for ordinal in 1...20 as ClosedRange<UInt64> { learn.send(try .init(asked(ordinal, "word \(ordinal)"))) }
        let outputs = learn.send(try .init(correction(of: 2)))
        #expect(learn.refusals.isEmpty)
        #expect(memories(outputs).first?.corrections.map(\.question) == ["word 2"])
        learn.send(try .init(correction(of: 77)))
        #expect(learn.refusals.map(\.reason) == [.orphanLabel])
    }

    @Test func correctionsAreSavedAndForgottenWithTheirSource() throws {
        let path = folder.path("checkpoint"), settings = settings(in: path)
        var learn = try learner(settings)
        learn.send(try .init(asked(1)))
        learn.send(try .init(correction(of: 1)))
        learn.advance(by: .milliseconds(10))
        learn.finish()
        var again = try learner(settings)
        #expect(memories(again.advance(by: .milliseconds(10))).first?.corrections.map(\.answer) == [Self.answer])
        let order = Order.with {
            $0.stamp = Stamp(from: "operator", sequence: 1)
            $0.forgetSource = "a"
        }
        #expect(memories(again.send(try .init(WireMessage(order, on: Topics.order("learn"))))).map(\.corrections.count) == [0])
        again.finish()
        var after = try learner(settings)
        #expect(memories(after.advance(by: .milliseconds(10))).isEmpty)

        #expect(!fileExists("\(path)/corrections.json"), "what was forgotten does not stay on disk")

        // Nor are the moments kept that waited for an answer's correction.
        learn = try learner(settings)
        learn.send(try .init(asked(40)))
        learn.send(try .init(WireMessage(order, on: Topics.order("learn"))))
        #expect(memories(learn.send(try .init(correction(of: 40)))).isEmpty && learn.refusals.map(\.reason) == [.orphanLabel])
    }

    /// A moment that waits for its label is neither learned nor saved once its session is forgotten.
    @Test(arguments: [false, true]) func whatWaitsIsForgottenWithItsSession(resets: Bool) throws {
        let path = folder.path("waiting")
        var settings = settings(in: path)
        settings.learn.labelPatience = 8
        var learn = try learner(settings)
        let waiting = try message(
            .with { event in
                event.moment = moment(1)
                event.moment.kind = .labelRequest
            }, Self.question)
        learn.send(try .init(waiting))
        let order = Order.with {
            $0.stamp = Stamp(from: "operator", sequence: 1)
            $0.order = resets ? .resetSession("a") : .forgetSource("a")
        }
        learn.send(try .init(WireMessage(order, on: Topics.order("learn"))))
        let label = try message(.with { $0.feedback = .with { ($0.session, $0.moment, $0.label, $0.classes) = ("a", "a/1", 1, 4) } })
        learn.send(try .init(label))
        while learn.processor.hasWork { learn.work() }
        #expect(learn.refusals.map(\.reason) == [.orphanLabel])
        #expect(learn.processor.guided.learner.memorySlots.isEmpty && learn.processor.labels.waiting.isEmpty)
        learn.finish()
        #expect(try learner(settings).processor.guided.learner.memorySlots.isEmpty)
    }

    /// Files that cannot be read cost what they hold alone, and are counted.
    @Test(arguments: ["corrections.json", "texts.memory"]) func aDamagedMemoryIsCountedAndCostsItselfOnly(file: String) throws {
        let path = folder.path("damaged")
        var settings = settings(in: path)
        settings.learn.rememberedTokens = 500
        var learn = try learner(settings)
        learn.send(try .init(asked(1)))
        learn.send(try .init(correction(of: 1)))
        while learn.processor.hasWork { learn.work() }
        learn.finish()
        let steps = learn.processor.guided.learner.steps, directory = CheckpointDirectory(path)
        let opened = try #require(try directory.open())
        try directory.write(
            opened.names.sorted().map { name in
                let bytes = try readFile("\(opened.path)/\(name)", atMost: 1 << 24)
                return .init(name, bytes: name == file ? Array(bytes.dropLast(3)) : bytes)
            })
        var again = try learner(settings)
        #expect(again.processor.telemetry.drops[.checkpointDamaged] == 1)
        #expect(steps > 0 && again.processor.guided.learner.steps == steps)
        let update = try #require(memories(again.advance(by: .milliseconds(10))).first)
        #expect(update.corrections.isEmpty == (file == "corrections.json"))
        #expect(try (texts(update, settings).count == 0) == (file == "texts.memory"))
    }

    private func texts(_ update: MemoryUpdate?, _ settings: GraphSettings) throws -> TokenMemory {
        let texts = try #require(update?.texts)
        return try TokenMemory(
            Array(texts), vocabularySize: settings.model.text.vocabulary, #require(settings.learn.tokenMemory))
    }

    /// What was said is in the memory whether it was learned, waited too long, or was the right answer; it goes with its source.
    @Test func textsAreRememberedSavedAndForgottenWithTheirSource() throws {
        let path = folder.path("checkpoint")
        var settings = settings(in: path)
        settings.learn.rememberedTokens = 500
        var learn = try learner(settings)
        let first = memories(learn.send(try .init(asked(1)))) + memories(learn.advance(by: .seconds(1)))
        #expect(try texts(first.last, settings).count == Self.question.utf8.count)
        let second = memories(learn.send(try .init(correction(of: 1)))) + memories(learn.advance(by: .seconds(1)))
        #expect(try texts(second.last, settings).count == Self.question.utf8.count + Self.answer.utf8.count)
        learn.finish()
        var again = try learner(settings)
        let restored = try texts(memories(again.advance(by: .milliseconds(10))).first, settings)
        #expect(try restored.state == texts(second.last, settings).state)
        let order = Order.with {
            $0.stamp = Stamp(from: "operator", sequence: 1)
            $0.forgetSource = "a"
        }
        let forgotten =
            memories(again.send(try .init(WireMessage(order, on: Topics.order("learn"))))) + memories(again.advance(by: .seconds(1)))
        #expect(try texts(forgotten.last, settings).count == 0)
        again.finish()
        var after = try learner(settings)
        #expect(memories(after.advance(by: .milliseconds(10))).isEmpty)
    }

    /// What follows in a text that came often follows in the answer; a memory that does not fit the model is refused and counted.
    @Test func answersGoOnAsTextsThatCame() throws {
        var settings = settings()
        settings.learn.rememberedTokens = 500
        settings.answer.maximumTokens = 12
        let model = try MultimodalModel(settings.model)
        var random = RandomSource(seed: 4)
        let store = model.initialStore(using: &random), input = MomentInput(text: Self.question.utf8.map(Int.init))
        func answer(_ update: MemoryUpdate) throws -> (tokens: [Int], drops: UInt64) {
            var answers = try #require(try Answers(settings, clock: VirtualClock()))
            answers.adopt(update)
            answers.add(moment(1), input)
            let pieces = answers.completeAll(.init(parameters: store, version: 1)).compactMap { $0.message as? Answer }
            return (pieces.flatMap { $0.tokens.map(Int.init) }, UInt64(answers.drops[.wrongModel]))
        }
        let plain = try answer(MemoryUpdate()), start = try #require(plain.tokens.first)
        let said = [start] + Array("the ship is merrow".utf8).map(Int.init).filter { $0 != start }
        var memory = TokenMemory(vocabularySize: settings.model.text.vocabulary, try #require(settings.learn.tokenMemory))
        for _ in 0..<8 {
            memory.endSequence()
            for token in said { memory.learn(token) }
        }
        let recalled = try answer(.with { $0.texts = Data(memory.state) })
        #expect(recalled.tokens == Array(said.prefix(12)) && recalled.tokens != plain.tokens && recalled.drops == 0)
        let refused = try answer(.with { $0.texts = Data(memory.state.dropLast()) })
        #expect(refused.tokens == plain.tokens && refused.drops == 1)
    }

    /// In lockstep the memory comes before the version with which it is recalled, so equal streams give equal answers.
    @Test func inLockstepTheMemoryComesWithAVersion() throws {
        var learn = try learner(settings(.lockstep))
        learn.send(try .init(asked(1)))
        learn.send(try .init(correction(of: 1)))
        #expect(learn.processor.guided.learner.steps >= 2)  // all steps at once
        let outputs = learn.send(try .init(message(.with { $0.end = .init() })))
        let kinds = outputs.map(\.topic).filter { $0 == "memory.update/" || $0 == "model.update/" }
        #expect(kinds == ["memory.update/", "model.update/"])
        #expect(memories(outputs).first?.version == outputs.compactMap { $0.message as? ModelUpdate }.first?.version)
    }

    // MARK: Answers

    private func parameters() throws -> ParameterStore<Float> {
        var random = RandomSource(seed: 1)
        return try MultimodalModel(settings().model).initialStore(using: &random)
    }

    private var memory: MemoryUpdate {
        .with { $0.corrections = [.with { ($0.question, $0.answer, $0.source) = (Self.question, Self.answer, "a") }] }
    }

    private func text(_ outputs: [Outgoing]) -> String {
        String(decoding: outputs.compactMap { ($0.message as? Answer)?.text }.reduce(into: [UInt8]()) { $0 += $1 }, as: UTF8.self)
    }

    @Test func anAnswerToASimilarQuestionIsTheCorrection() throws {
        var answers = try #require(try Answers(settings(), clock: MonotonicClock()))
        let model = Answers.AnsweringModel(parameters: try parameters(), version: 1)
        func answer(_ question: String) -> String {
            answers.add(moment(1, question), MomentInput(text: question.utf8.map(Int.init)))
            return text(answers.completeAll(model))
        }
        #expect(answer(Self.question) != Self.answer)
        let other = answer("zzz yyy")
        answers.adopt(memory)
        #expect(answer(Self.question) == Self.answer)
        #expect(answer("tell me who keeps the key") == Self.answer)
        #expect(answer("zzz yyy") == other)
        answers.adopt(MemoryUpdate())
        #expect(answer(Self.question) != Self.answer)
    }

    /// The same tokens as between two inputs, and in order.
    @Test func answersOnTheirOwnQueueAreTheSame() async throws {
        let store = try parameters(), published = PublishedParameters(store)
        let update = ModelUpdate.with {
            $0.stamp = Stamp(from: "learn", sequence: 1)
            ($0.version, $0.sha256) = (1, published.digest)
        }
        var models = AdoptedModels(layout: store.layout, capacity: 2)
        try models.insert(update, payload: WireMessage(update, on: Topics.modelUpdate.only, payload: [published.payload]))
        let queue = try #require(try AnswerQueue(settings(), clock: MonotonicClock()))
        queue.add(moment(1), MomentInput(text: Self.question.utf8.map(Int.init)), without: [])
        queue.add(moment(2, "zzz"), MomentInput(text: "zzz".utf8.map(Int.init)), without: [])
        queue.adopt(memory)
        queue.adopt(try #require(models.versions.last))
        var outputs: [Outgoing] = []
        while queue.telemetry.gauges["answers"] != 2 {
            try await Task.sleep(for: .milliseconds(1))
            outputs += queue.fetch()
        }
        outputs += queue.fetch()
        var plain = try #require(try Answers(settings(), clock: MonotonicClock()))
        plain.adopt(memory)
        plain.add(moment(1), MomentInput(text: Self.question.utf8.map(Int.init)))
        plain.add(moment(2, "zzz"), MomentInput(text: "zzz".utf8.map(Int.init)))
        #expect(text(outputs) == text(plain.completeAll(.init(parameters: store, version: 1))))
        #expect(outputs.compactMap { ($0.message as? Answer)?.ordinal }.last == 2 && queue.telemetry.drops.total == 0)
    }

    @Test func aMemoryThatCannotBeIsRefused() throws {
        var fuse = Harness(try FuseProcessor(settings(), clock: MonotonicClock()))
        var update = memory
        update.stamp = Stamp(from: "learn", sequence: 1)
        update.version = .max
        fuse.send(try .init(WireMessage(update, on: Topics.memoryUpdate.only)))
        #expect(fuse.refusals.map(\.reason) == [.wrongModel])
    }

    // MARK: Streams faster than learning

    /// While messages wait nothing is learned; then the newest moment first, and what has waited too long is remembered only.
    @Test func theNewestMomentIsLearnedFirstAndAnOldOneIsRememberedWithoutAStep() throws {
        var settings = settings()
        settings.learn.maximumLatency = 1
        var learn = try learner(settings)
        learn.sendAlone(try .init(asked(1)))
        learn.advanceAlone(by: .milliseconds(1500))
        learn.sendAlone(try .init(asked(2)))
        learn.sendAlone(try .init(asked(3)))
        let learner = learn.processor.guided.learner
        #expect(learner.steps == 0 && learner.memorySlots.isEmpty)
        learn.workOnce()
        #expect(learner.steps == 1 && learner.memorySlots.count == 2 && learn.processor.progress.watermark == 3)
        #expect(learn.processor.telemetry.gauges["postponed"] == 1 && learn.processor.telemetry.gauges["learned"] == 1)
        learn.work()
        #expect(learner.steps == 2 && learner.memorySlots.count == 3)
        // A correction is learned however long it has waited.
        learn.sendAlone(try .init(correction(of: 1)))
        learn.advanceAlone(by: .seconds(5))
        learn.work()
        #expect(learner.steps == 6)
        // What a strategy replays with its logits cannot be remembered without a step.
        settings.learner.strategy = "der++"
        learn = try self.learner(settings)
        learn.sendAlone(try .init(asked(1)))
        learn.advanceAlone(by: .seconds(2))
        learn.work()
        #expect(learn.processor.telemetry.drops[.shed] == 1 && learn.processor.guided.learner.memorySlots.isEmpty)
        // In lockstep nothing waits.
        settings.mode = .lockstep
        learn = try self.learner(settings)
        learn.sendAlone(try .init(asked(1)))
        #expect(learn.processor.guided.learner.steps == 1)
    }

    @Test func aMomentThatWaitedTooLongIsNotScored() throws {
        var settings = settings()
        settings.evaluate.maximumLatency = 1
        let published = PublishedParameters(try parameters())
        let update = ModelUpdate.with {
            $0.stamp = Stamp(from: "learn", sequence: 1)
            $0.sha256 = published.digest
        }
        var evaluate = Harness(try EvaluateProcessor(settings))
        evaluate.send(try .init(asked(1)))  // without a model it waits
        evaluate.advanceAlone(by: .milliseconds(1500))
        evaluate.sendAlone(try .init(asked(2)))
        evaluate.send(try .init(WireMessage(update, on: Topics.modelUpdate.only, payload: [published.payload])))
        #expect(evaluate.processor.telemetry.drops[.shed] == 1)
        let summary = try #require(evaluate.advance(by: .seconds(2)).compactMap { $0.message as? EvaluationSummary }.last)
        #expect(summary.moments == 1)
    }

    /// Updates checked apart are adopted as those checked at once; a refused one is counted.
    @Test func updatesAreCheckedApart() async throws {
        let published = PublishedParameters(try parameters())
        var fuse = Harness(try FuseProcessor(settings(), clock: MonotonicClock(), apart: true))
        for (version, digest) in [(1, published.digest), (2, Data(repeating: 0, count: 32))] as [(UInt64, Data)] {
            let update = ModelUpdate.with {
                $0.stamp = Stamp(from: "learn", sequence: version)
                ($0.version, $0.momentsSeen, $0.sha256) = (version, 5, digest)
            }
            fuse.send(try .init(WireMessage(update, on: Topics.modelUpdate.only, payload: [published.payload])))
        }
        while fuse.processor.telemetry.drops[.wrongDigest] == 0 {
            try await Task.sleep(for: .milliseconds(1))
            fuse.advance(by: .milliseconds(1))
        }
        #expect(fuse.refusals.isEmpty && fuse.processor.telemetry.gauges["moments"] == 5)
    }
}
