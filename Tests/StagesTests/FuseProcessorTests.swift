import Foundation
import Learning
import Messaging
import Model
import Pipeline
import PipelineTesting
import Schema
import Statistics
import Testing
@testable import Configuration
@testable import Fuse
@testable import Learn

/// Fuse's predictions: from features and boundaries to contributions, muted modalities and explanations.
struct FuseProcessorTests {
    private var settings: GraphSettings {
        var settings = GraphSettings()
        settings.mode = .live
        settings.model.width = 8
        settings.model.heads = 2
        settings.model.layers = 1
        settings.model.classes = 4
        settings.model.senses = [.init(name: "image", rows: 1, columns: 4, embedding: 4, hidden: 8)]
        settings.model.text.length = 8
        settings.model.text.buckets = 16
        settings.learner.replayed = 1
        settings.learner.languageRows = 1
        settings.fuse.sourceTimeout = 0
        return settings
    }

    /// A fuse processor with the model of a seed, and the number of messages sent to it.
    private struct Desk {
        var fuse: Harness<FuseProcessor>
        var sequence: UInt64 = 0

        init(_ settings: GraphSettings, clock: any TimeSource = MonotonicClock()) throws {
            fuse = Harness(try FuseProcessor(settings, clock: clock))
            let published = PublishedParameters(try OnlineLearner(MultimodalModel(settings.model), settings.learner, seed: 1).parameters)
            let (payload, digest) = (published.payload, published.digest)
            let update = ModelUpdate.with {
                $0.stamp = Stamp(from: "learn", sequence: 1); $0.version = 7; $0.sha256 = digest
            }
            fuse.send(try .init(WireMessage(update, on: Topics.modelUpdate.only, payload: [payload])))
        }

        /// A moment of a picture and a word, a second long.
        mutating func moment(_ number: Int, picture: [Float], validity: Float = 1) throws -> [Outgoing] {
            let end = Int64(number) * 1_000_000_000
            for (modality, values) in [("image", picture), ("text", [104])] {
                let frame = FeatureFrame.with {
                    $0.stamp = stamp()
                    $0.frame = .with {
                        $0.session = "a"; $0.source = modality; $0.modality = modality; $0.time = end; $0.sequence = UInt64(number)
                        $0.rows = 1; $0.columns = UInt32(values.count); $0.validity = modality == "image" ? validity : 1
                    }
                }
                fuse.send(try .init(WireMessage(frame, on: try Topics.feature(modality), payload: [Payload(values)])))
            }
            return try ["image", "text"].flatMap { modality in
                let boundary = FeatureFrame.with {
                    $0.stamp = stamp()
                    $0.boundary = .with {
                        $0.ordinal = UInt64(number); $0.epoch = 1; $0.session = "a"; $0.end = end; $0.kind = .labelRequest
                    }
                }
                return fuse.send(try .init(WireMessage(boundary, on: try Topics.feature(modality))))
            }
        }

        mutating func ask(_ moment: String, parts: Bool = false) throws -> MomentExplanation {
            let request = ExplainRequest.with {
                $0.stamp = stamp(); $0.session = "a"; $0.moment = moment
                ($0.parts, $0.features) = (parts, parts)
            }
            return try #require(
                fuse.send(try .init(WireMessage(request, on: try Topics.explain("a")))).first?.message as? MomentExplanation)
        }

        private mutating func stamp() -> Stamp {
            sequence += 1
            return Stamp(from: "test", sequence: sequence)
        }
    }

    private func predictions(_ outputs: [Outgoing]) -> [Prediction] { outputs.compactMap { $0.message as? Prediction } }

    @Test func contributionsArePublishedWhereConfigured() throws {
        var settings = settings
        var plain = try Desk(settings)
        let silent = try #require(predictions(try plain.moment(1, picture: [0, 1, 2, 3])).first)
        #expect(silent.contributions.marginal.isEmpty && silent.contributions.attention.isEmpty)
        #expect(Set(silent.contributions.reliability.keys) == ["image", "text"])

        settings.fuse.explain = .shapley
        settings.fuse.attention = true
        settings.model.fusion = "co-attention"
        var asked = try Desk(settings)
        let contributions = try #require(predictions(try asked.moment(1, picture: [0, 1, 2, 3])).first).contributions
        #expect(Set(contributions.marginal.keys) == ["image", "text"] && Set(contributions.shapley.keys) == ["image", "text"])
        #expect(contributions.attention.map(\.name) == ["image.to.text", "text.to.image"])
        let map = contributions.attention[0]
        let columns = Int(map.columns)
        #expect(map.weights.count == Int(map.rows) * columns && columns == 2 && map.rows == 4)
        for row in 0..<Int(map.rows) { #expect(abs(map.weights[row * columns..<(row + 1) * columns].reduce(0, +) - 1) < 1e-5) }
    }

    @Test func aRememberedMomentIsExplainedAndAForgottenOneIsAProblem() throws {
        var settings = settings
        settings.fuse.remembered = 2
        settings.learn.labelPatience = 0
        var desk = try Desk(settings)
        for number in 1...3 { _ = try desk.moment(number, picture: [0, 1, 2, Float(number)]) }
        let explanation = try desk.ask("a/3000000000")
        #expect(explanation.problem.isEmpty && explanation.modelVersion == 7 && explanation.ordinal == 3)
        #expect(explanation.probabilities.count == 4 && Set(explanation.experts.keys) == ["image", "text"])
        let none = log(1.0 / 4)  // without senses all classes are equally probable, as the bias starts at 0
        let all = log(Double(try #require(explanation.probabilities.max())))
        #expect(abs(explanation.contributions.shapley.values.reduce(0, +) - (all - none)) < 1e-5)
        #expect(try desk.ask("a/1000000000").problem.contains("newest 2"))
    }

    @Test func partsAreExplainedWhereTheyAreAskedFor() throws {
        var desk = try Desk(settings)
        _ = try desk.moment(1, picture: [0, 1, 2, 3])
        #expect(try desk.ask("a/1000000000").parts.isEmpty)
        let explanation = try desk.ask("a/1000000000", parts: true)
        #expect(Set(explanation.parts.keys) == ["image", "text"])
        let image = try #require(explanation.parts["image"]), text = try #require(explanation.parts["text"])
        #expect(image.features == [0, 1, 2, 3] && image.nats.count == 1 && image.columns == 4 && image.words.isEmpty)
        #expect(text.nats.count == 1 && text.words == ["h"] && text.features.isEmpty)
        // What a modality of one part gives is what the whole modality gives.
        #expect(abs(Double(image.nats[0]) - explanation.contributions.marginal["image"]!) < 1e-5)
        #expect(abs(Double(text.nats[0]) - explanation.contributions.marginal["text"]!) < 1e-5)
    }

    @Test func aCoveredCameraIsReportedMutedAndReadmitted() throws {
        var settings = settings
        settings.fuse.reliability.warmUp = 10
        var desk = try Desk(settings)
        var mutedAt: [Int] = [], changes: [ReliabilityChange] = []
        for number in 1...60 {
            let isCovered = (30..<40).contains(number), wave = Float(number % 5) * 0.1
            let outputs = try desk.moment(
                number, picture: isCovered ? [0, 0, 0, 0] : [0, 1 + wave, 2, 3 - wave], validity: isCovered ? 0.1 : 1)
            changes += outputs.compactMap { $0.message as? ReliabilityChange }
            let prediction = try #require(predictions(outputs).first)
            if prediction.contributions.muted == ["image"] {
                mutedAt.append(number)
                #expect(prediction.weights["image"] == 0 && prediction.weights["text"] == 1)
            }
        }
        #expect(changes.map(\.muted) == [true, false] && changes.allSatisfy { $0.modality == "image" })
        #expect(changes.map(\.ordinal) == [UInt64(mutedAt.first ?? 0), UInt64(mutedAt.last ?? 0) + 1])
        #expect(mutedAt.first.map { (30...35).contains($0) } == true && mutedAt.last.map { (40...45).contains($0) } == true)
        #expect(desk.fuse.processor.telemetry.gauges["muted.image"] == 1)
    }

    private static let bert = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().path + "/Golden/bert"

    @Test func aFrozenEncoderComputesASenseFromTheText() throws {
        var settings = settings
        settings.fuse.sentence = Self.bert
        #expect(settings.problems.map(\.key).contains("fuse.sentence"))
        settings.model.senses.append(.init(name: "sentence", rows: 1, columns: 16, embedding: 4, hidden: 8))
        #expect(!settings.problems.map(\.key).contains("fuse.sentence"))
        var desk = try Desk(settings)
        let outputs = try desk.moment(1, picture: [0, 1, 2, 3])
        let event = try #require(outputs.compactMap { $0.message as? MomentEvent }.first)
        #expect(event.moment.senses.map(\.modality) == ["image", "sentence", "text"] && event.moment.senses.allSatisfy(\.present))
        #expect(try #require(predictions(outputs).first).weights.keys.contains("sentence"))
        settings.model.senses[1].columns = 17
        #expect(throws: SettingsError.self) { try FuseProcessor(settings, clock: MonotonicClock()) }
    }

    @Test func whatHasWaitedTooLongIsShedAndCounted() throws {
        var settings = settings
        settings.fuse.maximumLatency = 0.5
        var desk = try Desk(settings)
        #expect(predictions(try desk.moment(1, picture: [0, 1, 2, 3])).count == 1)
        desk.fuse.advance(by: .seconds(2))  // what arrives now ended at 0, two seconds ago
        let late = try desk.moment(2, picture: [0, 1, 2, 3])
        #expect(predictions(late).isEmpty && late.contains { $0.message is MomentEvent }, "the learner still learns it")
        #expect(desk.fuse.processor.telemetry.drops[.shed] == 1)
    }
}
