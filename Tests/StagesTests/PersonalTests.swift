import FilesTesting
import Foundation
import Learning
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
@testable import Learn
@testable import Serving

import struct Statistics.RandomSource

/// Sessions' own adapters, from the learner to the stages that predict.
struct PersonalTests {
    private let folder = Folder()

    private var settings: GraphSettings {
        var settings = GraphSettings()
        (settings.model.width, settings.model.heads, settings.model.layers) = (8, 2, 1)
        (settings.model.text.length, settings.model.text.buckets) = (8, 16)
        (settings.learner.replayed, settings.learner.languageRows) = (1, 1)
        settings.mode = .lockstep
        settings.learn.publishEvery = 4
        settings.personal.enabled = true
        (settings.personal.support, settings.personal.query, settings.personal.steps, settings.personal.maximumSessions) = (2, 2, 2, 2)
        settings.personal.proof = 0
        return settings
    }

    /// A moment of a session, and its label.
    private func moment(_ ordinal: UInt64, of session: String, label: UInt32) throws -> [LearnProcessor.Input] {
        let moment = MomentEvent.with {
            $0.stamp = Stamp(from: "fuse", sequence: 2 * ordinal - 1)
            $0.moment = .with {
                $0.ordinal = ordinal
                $0.session = session
                $0.id = "\(session)/\(ordinal)"
                $0.kind = .labelRequest
                $0.senses = [
                    .with {
                        $0.modality = "text"; $0.present = true; $0.rows = 2; $0.columns = 1; $0.validity = 1
                    }
                ]
            }
        }
        let feedback = MomentEvent.with {
            $0.stamp = Stamp(from: "fuse", sequence: 2 * ordinal)
            $0.feedback = .with {
                $0.session = session; $0.moment = "\(session)/\(ordinal)"; $0.label = label; $0.classes = 4
            }
        }
        let topic = try Topics.moment(session)
        return [
            try .init(WireMessage(moment, on: topic, payload: [Payload([104, 105] as [Float])])),
            try .init(WireMessage(feedback, on: topic)),
        ]
    }

    /// The learner's messages for ten moments of two sessions.
    private func outputs(_ settings: GraphSettings) throws -> [Outgoing] {
        var learner = Harness(try LearnProcessor(settings, clock: VirtualClock()))
        var outputs: [Outgoing] = []
        for ordinal in 1...12 as ClosedRange<UInt64> {
            for input in try moment(ordinal, of: ordinal % 2 == 0 ? "b" : "a", label: UInt32(ordinal % 4)) {
                outputs += learner.send(input)
            }
        }
        #expect(learner.refusals.isEmpty)
        return outputs
    }

    private func outputs() throws -> [Outgoing] { try outputs(settings) }

    @Test func adaptersWithoutProvenGainAreNotPublished() throws {
        var settings = settings
        settings.personal.proof = 8
        #expect(try outputs(settings).map(\.topic) == ["model.update/", "model.update/", "model.update/"])
    }

    @Test func theGainOfAdaptersSurvivesARestart() throws {
        var settings = settings
        settings.personal.proof = 8
        settings.learn.directory = folder.path
        settings.personal.adapted = settings.personal.parameters
        var random = RandomSource(seed: 1)
        let model = try MultimodalModel(settings.model), shared = model.initialStore(using: &random)
        var publisher = try #require(try SessionPublisher(settings, model, clock: VirtualClock()))
        try CheckpointDirectory(folder.path).write(publisher.files)
        _ = try SessionPublisher(settings, model, clock: VirtualClock(), from: CheckpointDirectory(folder.path).open())  // of nothing yet
        for ordinal in 1...8 as ClosedRange<UInt64> {
            let input = MomentInput(text: [104], label: Int(ordinal % 4), classes: 4)
            publisher.add(
                .with {
                    $0.session = "a"; $0.ordinal = ordinal
                }, input, watermark: ordinal - 1, shared: shared)
        }
        try CheckpointDirectory(folder.path).write(publisher.files)
        let opened = try CheckpointDirectory(folder.path).open()
        var before = Telemetry(), after = Telemetry()
        publisher.addGauges(to: &before)
        try #require(try SessionPublisher(settings, model, clock: VirtualClock(), from: opened)).addGauges(to: &after)
        settings.personal.parameters.append("wpe.")
        let mismatch = #expect(throws: CheckpointMismatch.self) {
            try SessionPublisher(settings, model, clock: VirtualClock(), from: opened)
        }
        #expect(mismatch?.description.contains("move the checkpoint away") == true)
        #expect(before.gauges["personalGain"] != 0 && before.gauges["personalGain"] == after.gauges["personalGain"])
    }

    @Test func adaptersArePublishedBeforeTheirModel() throws {
        let outputs = try outputs()
        #expect(outputs.map(\.topic) == ["model.update/", "model.update.a/", "model.update.b/", "model.update/", "model.update/"])
        let update = try #require(outputs[1].message as? SessionUpdate)
        #expect(update.session == "a" && update.revision == 1 && update.version == 1 && update.steps == 2)
        #expect(update.momentWatermark == 3)
        let again = try self.outputs()
        #expect(again.map { ($0.message as? SessionUpdate)?.sha256 } == outputs.map { ($0.message as? SessionUpdate)?.sha256 })
    }

    /// After a reset of everything, sessions' adapters end, and the next ones are those of a learner that has seen nothing else.
    @Test func adaptersAfterAResetAreTheFirstOnes() throws {
        var learner = Harness(try LearnProcessor(settings, clock: VirtualClock()))
        func adapters(of ordinals: ClosedRange<UInt64>) throws -> [SessionUpdate] {
            var outputs: [Outgoing] = []
            for ordinal in ordinals {
                for input in try moment(ordinal, of: ordinal % 2 == 0 ? "b" : "a", label: UInt32(ordinal % 4)) {
                    outputs += learner.send(input)
                }
            }
            return outputs.compactMap { $0.message as? SessionUpdate }
        }
        let first = try adapters(of: 1...12)
        #expect(first.map(\.session) == ["a", "b"])
        let order = Order.with { ($0.stamp, $0.resetAll) = (Stamp(from: "operator", sequence: 1), true) }
        learner.send(try .init(WireMessage(order, on: Topics.order("learn"))))
        let second = try adapters(of: 13...24)
        #expect(second.filter(\.ended).map(\.session) == ["a", "b"])
        #expect(second.filter { !$0.ended }.map(\.sha256) == first.map(\.sha256))
        #expect(learner.refusals.isEmpty)
    }

    @Test func adaptersAreAppliedToTheirSessionAlone() throws {
        let outputs = try outputs(), model = try MultimodalModel(settings.model), store = ParameterStore<Float>(model.layout)
        var adapters = try #require(try SessionAdapters(settings, model.layout))
        store.values.fill(0.1)
        let before = Array(store.values)
        try adapters.insert(try #require(outputs[1].message as? SessionUpdate), payload: wire(outputs[1]))
        #expect(adapters.apply("b", ordinal: 9, version: 1, on: store) == nil)
        #expect(adapters.apply("a", ordinal: 9, version: 0, on: store) == nil, "not with an older model")
        #expect(adapters.apply("a", ordinal: 3, version: 1, on: store) == nil, "not for what it has learned from")
        #expect(Array(store.values) == before)
        #expect(adapters.apply("a", ordinal: 4, version: 1, on: store) == 1)
        #expect(Array(store.values) != before)
        adapters.revert(store)
        #expect(Array(store.values) == before)
    }

    @Test func updatesThatDoNotMatchTheirDescriptionAreRefused() throws {
        let outputs = try outputs(), model = try MultimodalModel(settings.model)
        var adapters = try #require(try SessionAdapters(settings, model.layout))
        var update = try #require(outputs[1].message as? SessionUpdate)
        let payload = try wire(outputs[1])
        let digest = update.sha256
        update.sha256 = Data(repeating: 0, count: 32)
        #expect(throws: Refusal.self) { try adapters.insert(update, payload: payload) }
        update.sha256 = digest
        try adapters.insert(update, payload: payload)
        try adapters.insert(update, payload: payload)  // sent again, for a late subscriber
        update.revision = 0
        #expect(throws: Refusal.self) { try adapters.insert(update, payload: payload) }
        update.revision = 1
        for (index, name) in ["c", "d"].enumerated() {
            update.session = name
            update.revision = UInt64(index + 1)
            try adapters.insert(update, payload: payload)
        }
        #expect(adapters.count == 2, "the least recently updated session is forgotten")
        update.ended = true
        try adapters.insert(update, payload: payload)
        #expect(adapters.count == 1)
        #expect(throws: Refusal.self) { try payload.sessionUpdate(of: "x") }
    }

    @Test func withoutAdaptersNothingChanges() throws {
        var settings = settings
        settings.personal.enabled = false
        #expect(try SessionAdapters(settings, try MultimodalModel(settings.model).layout) == nil)
        #expect(try PersonalEvaluator(settings) == nil)
        #expect(try SessionPublisher(settings, MultimodalModel(settings.model), clock: VirtualClock()) == nil)
    }

    /// The message as received.
    private func wire(_ outgoing: Outgoing) throws -> WireMessage {
        let update = try #require(outgoing.message as? SessionUpdate)
        return try WireMessage(update, on: Topics.sessionUpdate(update.session), payload: outgoing.payload)
    }
}
