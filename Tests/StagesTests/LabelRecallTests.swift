import FilesTesting
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

/// What was named once is recalled in predictions.
struct LabelRecallTests {
    private static func settings(_ mode: Mode = .live, recalled: Int = 16, directory: String = "") -> GraphSettings {
        var settings = GraphSettings()
        settings.mode = mode
        settings.model.width = 8
        settings.model.heads = 2
        settings.model.layers = 1
        settings.model.classes = 8
        settings.model.senses = [.init(name: "image", rows: 1, columns: 32, embedding: 4, hidden: 8)]
        settings.model.text.length = 8
        settings.model.text.buckets = 16
        settings.learner.replayed = 1
        settings.learner.languageRows = 1
        settings.fuse.sourceTimeout = 0
        settings.fuse.recalledLabels = recalled
        settings.learn.directory = directory
        return settings
    }

    /// A fuse processor that sees one picture a second, of one of some things.
    private struct Desk {
        var fuse: Harness<FuseProcessor>
        private var sequence: UInt64 = 0
        private var random = RandomSource(seed: 5)
        private let settings: GraphSettings

        init(_ settings: GraphSettings) throws {
            self.settings = settings
            fuse = Harness(try FuseProcessor(settings, clock: MonotonicClock()))
            try publish(7)
        }

        /// Publishes the initial model with all its weights multiplied by a factor.
        mutating func publish(_ version: UInt64, scaled factor: Float = 1) throws {
            let store = try OnlineLearner(MultimodalModel(settings.model), settings.learner, seed: 1).parameters
            for place in store.values.indices { store.values[place] *= factor }
            let published = PublishedParameters(store)
            let (payload, digest) = (published.payload, published.digest)
            let update = ModelUpdate.with {
                $0.stamp = Stamp(from: "learn", sequence: version); $0.version = version; $0.sha256 = digest
            }
            fuse.send(try .init(WireMessage(update, on: Topics.modelUpdate.only, payload: [payload])))
        }

        /// Sees a thing at a time in seconds.
        mutating func see(_ thing: Int, at number: Int, session: String = "a", _ consent: Consent = .unspecified) throws -> Prediction {
            var own = RandomSource(seed: UInt64(100 + thing))
            let values = (0..<32).map { _ in Float(own.normal() + 0.3 * random.normal()) }, end = Int64(number) * 1_000_000_000
            let frame = FeatureFrame.with {
                $0.stamp = stamp()
                $0.frame = .with {
                    $0.session = session; $0.source = "camera"; $0.modality = "image"; $0.time = end; $0.sequence = UInt64(number)
                    $0.rows = 1; $0.columns = 32; $0.validity = 1; $0.consent = consent
                }
            }
            fuse.send(try .init(WireMessage(frame, on: try Topics.feature("image"), payload: [Payload(values)])))
            let outputs = try ["image", "text"].flatMap { modality in
                let boundary = FeatureFrame.with {
                    $0.stamp = stamp()
                    $0.boundary = .with {
                        $0.ordinal = UInt64(number); $0.epoch = 1; $0.session = session; $0.end = end; $0.kind = .labelRequest
                    }
                }
                return fuse.send(try .init(WireMessage(boundary, on: try Topics.feature(modality))))
            }
            return try #require(outputs.compactMap { $0.message as? Prediction }.first)
        }

        mutating func name(_ label: UInt32, at number: Int, session: String = "a", _ consent: Consent = .unspecified) throws {
            let feedback = Feedback.with {
                $0.stamp = stamp()
                ($0.session, $0.moment, $0.label, $0.classes) = (session, "\(session)/\(number)000000000", label, 8)
                $0.afterBoundary = UInt64(number)
                $0.consent = consent
            }
            fuse.send(try .init(WireMessage(feedback, on: try Topics.feedback(session))))
        }

        mutating func explain(_ moment: String) throws -> MomentExplanation {
            let request = ExplainRequest.with { ($0.stamp, $0.session, $0.moment) = (stamp(), "a", moment) }
            let outputs = fuse.send(try .init(WireMessage(request, on: try Topics.explain("a"))))
            return try #require(outputs.first?.message as? MomentExplanation)
        }

        mutating func follow(_ order: Order, sequence number: UInt64 = 1) throws {
            let answer = OrderAnswer.with {
                ($0.stamp, $0.accepted, $0.order) = (Stamp(from: "learn", sequence: number), true, order)
            }
            fuse.send(try .init(WireMessage(answer, on: try Topics.orderAnswer("learn"))))
        }

        private mutating func stamp() -> Stamp {
            sequence += 1
            return Stamp(from: "test", sequence: sequence)
        }
    }

    /// What may not be kept is predicted on, and its label is neither recalled later nor on the disk; a moment that may not be stored
    /// cannot be explained either.
    @Test(arguments: [(Consent.notStored, Consent.share), (.sessionOnly, .share), (.share, .notStored), (.share, .sessionOnly)])
    func whatMayNotBeKeptIsNotRecalled(_ moment: Consent, _ label: Consent) throws {
        let folder = Folder()
        var desk = try Desk(Self.settings(directory: folder.path("run")))
        func remembered() -> Double? { desk.fuse.processor.telemetry.gauges["labelsRemembered"] }
        _ = try desk.see(1, at: 1, .learnHere)
        try desk.name(3, at: 1, .learnHere)
        #expect(remembered() == 1)
        #expect(try desk.see(2, at: 2, moment).probabilities.count == 8)
        try desk.name(5, at: 2, label)
        _ = desk.fuse.finish()
        #expect(remembered() == 1)
        let stored = try #require(try LabelFile(path: folder.path("run/labels.memory")).read(capacity: 16))
        #expect(stored.0.examples.map(\.moment) == ["a/1000000000"])
        #expect(try desk.explain("a/2000000000").problem.isEmpty == (moment != .notStored))
        #expect(try desk.explain("a/1000000000").problem.isEmpty)
    }

    @Test func aThingIsKnownFromTheFirstTimeThatItIsNamed() throws {
        var desk = try Desk(Self.settings())
        for thing in 0..<6 {
            let before = try desk.see(thing, at: 1 + thing)
            #expect(before.probabilities.count == 8)
            try desk.name(UInt32(thing), at: 1 + thing)
        }
        for thing in 0..<6 {
            let prediction = try desk.see(thing, at: 10 + thing)
            #expect(prediction.label == UInt32(thing) && prediction.recalled > 0.5, "\(prediction)")
            #expect(abs(prediction.probabilities.reduce(0, +) - 1) < 1e-5)
        }
        #expect(desk.fuse.processor.telemetry.gauges["labelsRemembered"] == 6)
    }

    /// A version is tried on the newest labelled moments; without enough of them, or without trials, what is published serves.
    @Test(arguments: [0, 64])
    func aVersionThatIsWorseOnTheNewestLabelsDoesNotServe(probes: Int) throws {
        var settings = Self.settings(recalled: 0)
        (settings.fuse.probes, settings.fuse.probeTolerance) = (probes, 0.05)
        var desk = try Desk(settings)
        func refused() -> Int { desk.fuse.refusals.count { $0.reason == .worseOnProbes } }
        try desk.publish(8, scaled: 40)
        #expect(try desk.see(1, at: 1).modelVersion == 8, "nothing is known yet")
        try desk.publish(9)
        for number in 2..<20 {
            let prediction = try desk.see(number % 6, at: number)
            try desk.name(prediction.label, at: number)
        }
        // What the model is sure of is named otherwise: the scaled weights are surer still.
        for number in 20..<40 {
            let prediction = try desk.see(number % 6, at: number)
            try desk.name((prediction.label + 1) % 8, at: number)
        }
        try desk.publish(10, scaled: 40)
        #expect(try desk.see(1, at: 41).modelVersion == (probes > 0 ? 9 : 10))
        #expect(refused() == (probes > 0 ? 1 : 0))
        try desk.publish(11)
        #expect(try desk.see(1, at: 42).modelVersion == 11)
        try desk.follow(.with { $0.resetAll = true })
        try desk.publish(12, scaled: 40)
        #expect(try desk.see(1, at: 43).modelVersion == 12, "what it was tried on is forgotten")
        #expect(refused() == (probes > 0 ? 1 : 0))
    }

    @Test func withoutRecallTheModelAlonePredicts() throws {
        var desk = try Desk(Self.settings(recalled: 0)), other = try Desk(Self.settings())
        let first = try desk.see(1, at: 1)
        #expect(try other.see(1, at: 1).probabilities == first.probabilities, "nothing is recalled yet")
        try desk.name(3, at: 1)
        let prediction = try desk.see(1, at: 2)
        #expect(prediction.recalled == 0 && desk.fuse.processor.telemetry.gauges["labelsRemembered"] == nil)
    }

    @Test func equalStreamsRecallTheSame() throws {
        var predictions: [[[Float]]] = []
        for _ in 0..<2 {
            var desk = try Desk(Self.settings())
            predictions.append(
                try (1...12).map { number in
                    let probabilities = try desk.see(number % 4, at: number).probabilities
                    try desk.name(UInt32(number % 4), at: number)
                    return probabilities
                })
        }
        #expect(predictions[0] == predictions[1])
    }

    @Test func whatTheLearnerIsOrderedToForgetIsForgotten() throws {
        var desk = try Desk(Self.settings())
        for thing in 0..<4 {
            let session = thing % 2 == 0 ? "a" : "b"
            _ = try desk.see(thing, at: 1 + thing, session: session)
            try desk.name(UInt32(thing), at: 1 + thing, session: session)
        }
        _ = try desk.see(0, at: 10)
        #expect(desk.fuse.processor.telemetry.gauges["labelsRemembered"] == 4)
        try desk.follow(.with { $0.scaleRate = 0.5 }, sequence: 1)
        #expect(desk.fuse.processor.telemetry.gauges["labelsRemembered"] == 4)
        try desk.follow(.with { $0.forgetSource = "a" }, sequence: 2)
        #expect(desk.fuse.processor.telemetry.gauges["labelsRemembered"] == 2)
        try desk.follow(.with { $0.resetAll = true }, sequence: 2)
        #expect(desk.fuse.processor.telemetry.gauges["labelsRemembered"] == 2, "an answer that comes again is not followed again")
        try desk.follow(.with { $0.resetAll = true }, sequence: 3)
        #expect(desk.fuse.processor.telemetry.gauges["labelsRemembered"] == 0)
    }

    @Test func liveLabelsAreKnownAfterARestart() throws {
        let folder = Folder()
        let settings = Self.settings(directory: folder.path("checkpoint"))
        var desk = try Desk(settings)
        for thing in 0..<4 {
            _ = try desk.see(thing, at: 1 + thing)
            try desk.name(UInt32(thing), at: 1 + thing)
        }
        _ = try desk.see(0, at: 10)
        try desk.follow(.with { $0.forgetSource = "nobody" }, sequence: 5)
        desk.fuse.finish()
        var next = try Desk(settings)
        let prediction = try next.see(2, at: 1)
        #expect(prediction.label == 2 && prediction.recalled > 0.5)
        try next.follow(.with { $0.resetAll = true }, sequence: 4)
        #expect(next.fuse.processor.telemetry.gauges["labelsRemembered"] == 4, "an order from before the restart is known")

        try Data("nonsense".utf8).write(to: URL(fileURLWithPath: folder.path("checkpoint/labels.memory")))
        let damaged = try Desk(settings)
        let telemetry = damaged.fuse.processor.telemetry
        #expect(telemetry.gauges["labelsRemembered"] == 0 && telemetry.drops[.checkpointDamaged] == 1)
    }
}
