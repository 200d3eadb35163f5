@testable import Serving
import Foundation
import Learning
import Messaging
import Model
import Pipeline
import PipelineTesting
import Schema
import Testing
@testable import Configuration
@testable import Evaluate
@testable import Learn

/// The evaluator never scores with a model that has learned from the moment, and adopts no update that does not match its description.
struct EvaluateProcessorTests {
    private var settings: GraphSettings {
        var settings = GraphSettings()
        settings.model.width = 8
        settings.model.heads = 2
        settings.model.layers = 1
        settings.model.text.length = 8
        settings.model.text.buckets = 16
        settings.learner.replayed = 1
        settings.learner.languageRows = 1
        settings.mode = .live
        return settings
    }

    private func update(_ version: UInt64, learnedFrom watermark: UInt64, tampered: Bool = false) throws -> EvaluateProcessor.Input {
        let published = PublishedParameters(try OnlineLearner(MultimodalModel(settings.model), settings.learner, seed: 1).parameters)
        let (payload, digest) = (published.payload, published.digest)
        let message = ModelUpdate.with {
            $0.stamp = Stamp(from: "learn", sequence: version + 1)
            $0.version = version
            $0.momentWatermark = watermark
            $0.momentsSeen = watermark
            $0.sha256 = tampered ? Data(repeating: 0, count: 32) : digest
        }
        return try .init(WireMessage(message, on: Topics.modelUpdate.only, payload: [payload]))
    }

    private func moment(_ ordinal: UInt64) throws -> EvaluateProcessor.Input {
        let event = MomentEvent.with {
            $0.stamp = Stamp(from: "fuse", sequence: ordinal)
            $0.moment = .with {
                $0.ordinal = ordinal
                $0.session = "a"
                $0.id = "a/\(ordinal)"
                $0.senses = [
                    .with {
                        $0.modality = "text"; $0.present = true; $0.rows = 2; $0.columns = 1; $0.validity = 1
                    }
                ]
            }
        }
        return try .init(WireMessage(event, on: try Topics.moment("a"), payload: [Payload([104, 105] as [Float])]))
    }

    @Test func aMomentThatTheModelHasLearnedFromIsSetAsideAndCounted() throws {
        var evaluator = Harness(try EvaluateProcessor(settings))
        _ = evaluator.send(try update(0, learnedFrom: 0))
        _ = evaluator.send(try moment(1))
        _ = evaluator.send(try update(1, learnedFrom: 1))
        _ = evaluator.send(try moment(2))
        #expect(evaluator.processor.telemetry.gauges["setAside"] == 0 && evaluator.processor.telemetry.modelVersion == 1)
        for version in 2...5 as ClosedRange<UInt64> { _ = evaluator.send(try update(version, learnedFrom: 10 * version)) }
        _ = evaluator.send(try moment(3))
        #expect(evaluator.processor.telemetry.gauges["setAside"] == 0, "the version on duty has not learned from it")
        _ = evaluator.send(try moment(51))
        _ = evaluator.send(try moment(45))
        #expect(evaluator.processor.telemetry.gauges["setAside"] == 1)
    }

    /// The predictions in one pass equal those one by one.
    @Test(arguments: [["image", "vector"], ["vector"], []])
    func whatIsSaidWithoutEachModalityIsWhatAModelWithoutItSays(_ senses: [String]) throws {
        var moment = MomentInput()
        moment.text = [104, 105, 33]
        for sense in settings.model.senses where senses.contains(sense.name) {
            moment.senses[sense.name] = SenseInput(
                rows: sense.rows, columns: sense.columns, values: (0..<sense.rows * sense.columns).map { Float($0 % 7) / 7 })
        }
        let modalities = settings.model.modalities
        let server = try ServingModel(settings.model, rows: 1 + modalities.count, languageRows: 1 + modalities.count)
        let single = try ServingModel(settings.model, rows: 1, languageRows: 1)
        try server.initialize(seed: 5)
        try single.initialize(seed: 5)
        let answers = server.answers(to: moment, withoutEachOf: modalities)
        for (answer, masked) in zip(answers, [Set()] + modalities.map { [$0] }) {
            let alone = single.predict([.init(moment, without: masked)])[0]
            #expect(zip(answer.probabilities, alone.probabilities).allSatisfy { abs($0 - $1) < 1e-5 })
            #expect(answer.tokens == 3 && abs(answer.tokenNLL - alone.tokenNLL) < 1e-4, "\(masked)")
        }
    }

    @Test func anUpdateThatDoesNotMatchItsDigestIsRefused() throws {
        var evaluator = Harness(try EvaluateProcessor(settings))
        _ = evaluator.send(try update(0, learnedFrom: 0, tampered: true))
        _ = evaluator.send(try update(3, learnedFrom: 0))
        _ = evaluator.send(try update(2, learnedFrom: 0))
        _ = evaluator.send(try update(5, learnedFrom: 0))
        #expect(evaluator.refusals.map(\.reason) == [.wrongDigest, .sequenceRunsBack])
        #expect(evaluator.processor.telemetry.gauges["missedVersions"] == 1)
    }

    @Test func aModelOfAnotherShapeIsRefused() throws {
        var other = settings
        other.model.width = 16
        var evaluator = Harness(try EvaluateProcessor(other))
        _ = evaluator.send(try update(0, learnedFrom: 0))
        #expect(evaluator.refusals.map(\.reason.rawValue) == ["wrongModel"])
    }
}
