import Foundation
import Learning
import Messaging
import Model
import Pipeline
import PipelineTesting
import Schema
import Tensors
import Testing
@testable import Configuration
@testable import Fuse
@testable import Learn
@testable import Serving

import struct Statistics.RandomSource

/// Answers come in pieces, each of one model, and predictions never wait for more than a tick's tokens.
struct AnswersTests {
    private var settings: GraphSettings {
        var settings = GraphSettings()
        settings.model.width = 8
        settings.model.heads = 2
        settings.model.layers = 1
        settings.model.senses = [.init(name: "vector", rows: 1, columns: 2, hidden: 8)]
        settings.model.text.length = 16
        settings.model.text.buckets = 16
        settings.learner.replayed = 1
        settings.learner.languageRows = 1
        settings.answer.after = ["label"]
        settings.answer.maximumTokens = 6
        settings.answer.tokensPerTick = 2
        settings.answer.maximumWaiting = 2
        return settings
    }

    private func parameters(seed: UInt64) throws -> ParameterStore<Float> {
        var random = RandomSource(seed: seed)
        let store = try MultimodalModel(settings.model).initialStore(using: &random)
        for i in store.values.indices { store.values[i] *= 4 }
        return store
    }

    private func moment(_ ordinal: UInt64, kind: CutKind = .labelRequest) -> Moment {
        .with {
            $0.id = "a/\(ordinal)"; $0.session = "a"; $0.ordinal = ordinal; $0.kind = kind
        }
    }

    private func answers(_ adoption: Generation.Adoption = .finish) throws -> Answers {
        var settings = self.settings
        settings.answer.adoption = adoption
        return try #require(try Answers(settings, clock: MonotonicClock()))
    }

    private func published(_ outputs: [Outgoing]) -> [Answer] { outputs.compactMap { $0.message as? Answer } }

    @Test func nothingIsAnsweredUnlessTheSettingsSaySo() throws {
        #expect(try Answers(GraphSettings(), clock: MonotonicClock()) == nil)
        var answers = try answers()
        let store = try parameters(seed: 1)
        answers.add(moment(1, kind: .utteranceEnd), MomentInput(text: [104]))
        #expect(answers.advance(.init(parameters: store, version: 3)).isEmpty)
        var settings = AnswerSettings()
        settings.after = ["thunder"]
        settings.tokensPerTick = 0
        #expect(settings.problems.map(\.key) == ["after", "tokensPerTick"])
    }

    @Test func anAnswerComesInBoundedPieces() throws {
        var answers = try answers()
        let store = try parameters(seed: 1)
        answers.add(moment(1), MomentInput(text: [104, 105]))
        var pieces: [Answer] = []
        for _ in 0..<5 { pieces += published(answers.advance(.init(parameters: store, version: 3))) }
        #expect(
            pieces.map(\.piece) == [0, 1, 2] && pieces.allSatisfy { $0.tokens.count == 2 && $0.modelVersion == 3 && $0.moment == "a/1" })
        #expect(pieces.map(\.end) == ["", "", "length"])
        #expect(answers.answered == 1)

        var whole = try self.answers()
        whole.add(moment(1), MomentInput(text: [104, 105]))
        let complete = published(whole.completeAll(.init(parameters: store, version: 3)))
        #expect(complete.count == 1 && complete.first?.tokens == pieces.flatMap(\.tokens))
    }

    @Test func anUnfinishedAnswerKeepsItsModelOrIsRecomputed() throws {
        let (old, new) = (try parameters(seed: 1), try parameters(seed: 2))
        func tokens(_ adoption: Generation.Adoption, changing: Bool) throws -> [Answer] {
            var answers = try answers(adoption)
            answers.add(moment(1), MomentInput(text: [104, 105]))
            return published(answers.advance(.init(parameters: old, version: 1)))
                + (0..<3).flatMap { _ in published(answers.advance(.init(parameters: changing ? new : old, version: changing ? 2 : 1))) }
        }
        let plain = try tokens(.finish, changing: false), finished = try tokens(.finish, changing: true)
        #expect(finished.map(\.tokens) == plain.map(\.tokens) && finished.allSatisfy { $0.modelVersion == 1 })
        let recomputed = try tokens(.recompute, changing: true)
        #expect(recomputed.map(\.modelVersion) == [1, 2, 2])
        #expect(recomputed[0].tokens == plain[0].tokens && recomputed.map(\.tokens) != plain.map(\.tokens))
    }

    @Test func unansweredMomentsAreCounted() throws {
        var answers = try answers()
        for ordinal in 1...4 as ClosedRange<UInt64> { answers.add(moment(ordinal), MomentInput(text: [104])) }
        let pieces = published(answers.completeAll(.init(parameters: try parameters(seed: 1), version: 1)))
        #expect(pieces.map(\.ordinal) == [3, 4] && answers.drops[.unanswered] == 2)
    }

    @Test func numbersThatAreNotFiniteEndAnAnswerAndAreCounted() throws {
        var answers = try answers()
        let store = try parameters(seed: 1)
        store["ln_f.bias"][0] = .infinity
        answers.add(moment(1), MomentInput(text: [104]))
        let pieces = published(answers.advance(.init(parameters: store, version: 1)))
        #expect(pieces.map(\.end) == ["notFinite"] && answers.drops[.nonFinite] == 1 && answers.answered == 0)
    }

    private func complete(_ request: AnswerRequest?) throws -> Answer {
        var answers = try answers()
        var asking = moment(1)
        if let request { asking.answer = request }
        answers.add(asking, MomentInput(text: [104, 105]))
        return try #require(published(answers.completeAll(.init(parameters: try parameters(seed: 1), version: 3))).first)
    }

    @Test func aRequestSaysHowItsAnswerIsDrawn() throws {
        let usual = try complete(nil)
        #expect(usual.tokens.count == 6 && Int(usual.promptTokens) == settings.model.turns.opening.count + 2)
        #expect(try complete(.with { $0.maximumTokens = 2 }).tokens == Array(usual.tokens.prefix(2)))
        #expect(try complete(.with { $0.maximumTokens = 99 }).tokens == usual.tokens, "the settings' bound holds")
        func drawn(_ seed: UInt64, topP: Double = 1) throws -> [UInt32] {
            try complete(.with { ($0.temperature, $0.seed, $0.topP) = (5, seed, topP) }).tokens
        }
        #expect(try drawn(1) == drawn(1) && drawn(1) != drawn(2) && drawn(1) != usual.tokens)
        #expect(try drawn(1, topP: 1e-9) == usual.tokens, "of the most probable token alone")
    }

    @Test func anAnswerEndsBeforeASequence() throws {
        let usual = try complete(nil), last = try #require(usual.text.last)
        let first = try #require(usual.text.firstIndex(of: last))
        let stopped = try complete(.with { $0.stops = [Data([last])] })
        #expect(stopped.text == usual.text.prefix(upTo: first) && stopped.end == "stop")
        #expect(stopped.tokens.count == usual.text.distance(from: usual.text.startIndex, to: first) + 1)
    }

    @Test func anAnswerThatIsADecisionIsDrawnAsTheSettingsSay() throws {
        var settings = self.settings
        settings.answer.temperature = 1
        (settings.decide.policy, settings.decide.text) = ("ppo", true)
        var answers = try #require(try Answers(settings, clock: MonotonicClock()))
        var asking = moment(1)
        asking.answer.temperature = 0.5
        answers.add(asking, MomentInput(text: [104]))
        #expect(answers.completeAll(.init(parameters: try parameters(seed: 1), version: 1)).isEmpty)
        #expect(answers.drops[.unanswered] == 1)
    }

    /// Through the whole processor: a moment that asks for an answer is predicted at once, and its answer follows with the ticks.
    @Test func fusePredictsFirstAndAnswersAfterwards() throws {
        var fuse = Harness(try FuseProcessor(settings, clock: MonotonicClock()))
        let update = PublishedParameters(try OnlineLearner(MultimodalModel(settings.model), settings.learner, seed: 1).parameters)
        let (payload, digest) = (update.payload, update.digest)
        fuse.send(
            try .init(
                WireMessage(
                    ModelUpdate.with {
                        $0.stamp = Stamp(from: "learn", sequence: 1)
                        $0.sha256 = digest
                    }, on: Topics.modelUpdate.only, payload: [payload])))
        fuse.send(
            try .init(
                WireMessage(
                    FeatureFrame.with {
                        $0.stamp = Stamp(from: "extract-text", sequence: 1)
                        $0.frame = .with {
                            $0.session = "a"; $0.source = "s"; $0.modality = "text"; $0.sequence = 1; $0.time = 5; $0.rows = 2;
                            $0.columns = 1; $0.validity = 1
                        }
                    }, on: try Topics.feature("text"), payload: [Payload([104, 105] as [Float])])))
        for (sequence, modality) in [(2, "text"), (1, "vector")] as [(UInt64, String)] {
            fuse.send(
                try .init(
                    WireMessage(
                        FeatureFrame.with {
                            $0.stamp = Stamp(from: "extract-\(modality)", sequence: sequence)
                            $0.boundary = .with {
                                $0.ordinal = 1; $0.epoch = 1; $0.session = "a"; $0.end = 6; $0.kind = .labelRequest
                            }
                        }, on: try Topics.feature(modality))))
        }
        for _ in 0..<6 { fuse.advance(by: .milliseconds(20)) }
        let kinds = fuse.outputs.map { $0.topic.prefix { $0 != "." } }
        #expect(kinds == ["moment", "prediction", "answer", "answer", "answer"])
        #expect(published(fuse.outputs).map(\.tokens.count) == [2, 2, 2])
        #expect(fuse.processor.telemetry.gauges["answers"] == 1)
        #expect(fuse.refusals.isEmpty)
    }
}
