import FilesTesting
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
@testable import Fuse
@testable import Learn
@testable import Moments
@testable import Timing

/// Messages with numbers at the limits of their types stop no stage.
struct ExtremeNumbersTests {
    private func settings(_ mode: Mode = .live) -> GraphSettings {
        var settings = GraphSettings()
        (settings.model.width, settings.model.heads, settings.model.layers) = (8, 2, 1)
        (settings.model.text.length, settings.model.text.buckets, settings.model.classes) = (8, 16, 4)
        settings.model.senses = [.init(name: "vector", rows: 1, columns: 2, embedding: 4, hidden: 8)]
        (settings.learner.replayed, settings.learner.languageRows) = (1, 1)
        settings.mode = mode
        (settings.fuse.sourceTimeout, settings.fuse.lateness) = (0, 0)
        return settings
    }

    private static let times: [Int64] = [.min, .min + 1, -1000, -1, 0, 1, .max - 1, .max]
    private static let counts: [UInt64] = [0, 1, 2, 1 << 62, 1 << 63, .max - 1, .max]

    private func event(_ change: (inout Moment) -> Void) throws -> WireMessage {
        let event = MomentEvent.with {
            $0.stamp = Stamp(from: "fuse", sequence: 1)
            $0.moment = .with {
                ($0.ordinal, $0.session, $0.id, $0.kind) = (1, "a", "a/1", .labelRequest)
                $0.senses = [
                    .with {
                        $0.modality = "text"; $0.present = true; $0.rows = 2; $0.columns = 1; $0.validity = 1
                    }
                ]
                change(&$0)
            }
        }
        return try WireMessage(event, on: Topics.moment("a"), payload: [Payload([104, 105] as [Float])])
    }

    private func label(_ change: (inout Feedback) -> Void) throws -> WireMessage {
        let event = MomentEvent.with {
            $0.stamp = Stamp(from: "fuse", sequence: 2)
            $0.feedback = .with {
                ($0.session, $0.label, $0.classes) = ("a", 1, 4); change(&$0)
            }
        }
        return try WireMessage(event, on: Topics.moment("a"))
    }

    @Test(arguments: times, times) func aLabelMayBecomeKnownAtAnyTime(end: Int64, knownAt: Int64) throws {
        var learner = Harness(try LearnProcessor(settings(), clock: VirtualClock()))
        learner.send(
            try .init(
                event {
                    $0.end = end; $0.start = end; $0.arrived = knownAt
                }))
        learner.send(
            try .init(
                label {
                    $0.momentEnd = end; $0.knownAt = knownAt
                }))
        #expect(learner.refusals.isEmpty)
    }

    @Test(arguments: counts) func aMomentOfAnyNumberLeavesTheNextOnesTheirTurn(ordinal: UInt64) throws {
        var learner = Harness(try LearnProcessor(settings(), clock: VirtualClock()))
        var evaluator = Harness(try EvaluateProcessor(settings()))
        for next in [1, ordinal, 3] {
            learner.send(
                try .init(
                    event {
                        $0.ordinal = next; $0.id = "a/\(next)"
                    }))
            evaluator.send(
                try .init(
                    event {
                        $0.ordinal = next; $0.id = "a/\(next)"
                    }))
        }
        #expect(learner.refusals.count == (ordinal == 2 ? 0 : 1) && evaluator.refusals.isEmpty)
    }

    @Test(arguments: counts, counts) func anUpdateOfAnyNumbersIsRefusedOrTaken(version: UInt64, seen: UInt64) throws {
        let settings = settings()
        let published = PublishedParameters(try OnlineLearner(MultimodalModel(settings.model), settings.learner, seed: 1).parameters)
        let (payload, digest) = (published.payload, published.digest)
        var fuse = Harness(try FuseProcessor(settings, clock: VirtualClock())), evaluator = Harness(try EvaluateProcessor(settings))
        for version in [0, version, version.addingReportingOverflow(1).partialValue] {
            let update = ModelUpdate.with {
                $0.stamp = Stamp(from: "learn", sequence: 1)
                ($0.version, $0.momentsSeen, $0.momentWatermark, $0.sha256) = (version, seen, seen, digest)
            }
            fuse.send(try .init(WireMessage(update, on: Topics.modelUpdate.only, payload: [payload])))
            evaluator.send(try .init(WireMessage(update, on: Topics.modelUpdate.only, payload: [payload])))
        }
        evaluator.send(try .init(event { _ in }))
        #expect(fuse.refusals.map(\.reason) == evaluator.refusals.map(\.reason))
    }

    @Test(arguments: times, times) func framesAndBoundariesOfAnyTimesAreAligned(time: Int64, end: Int64) throws {
        for mode in [Mode.live, .lockstep] {
            for policy in ["concatenate", "nearest", "interpolated", "exact"] {
                var settings = settings(mode), rule = AlignmentRule(modality: "vector")
                (rule.policy, rule.hold) = (policy, 86_400)
                settings.fuse.alignment = [rule]
                var aligner = MomentAligner(settings.fuse, modalities: ["vector"], waitsForAll: mode == .lockstep)
                for (index, time) in [time, Int64.min, 0, end, .max].enumerated() {
                    let frame = Frame.with {
                        ($0.session, $0.source, $0.modality, $0.time, $0.sequence) = ("a", "s", "vector", time, UInt64(index))
                        ($0.rows, $0.columns) = (1, 2)
                    }
                    _ = aligner.insert(.init(frame: frame, values: [1, 2]), at: 0)
                }
                for ordinal in [1, 2, UInt64.max] {
                    _ = aligner.insert(
                        .with { ($0.ordinal, $0.session, $0.end, $0.arrived) = (ordinal, "a", end, time) }, from: "vector", at: .min)
                }
                let assembly = try MomentAssembly(settings)
                while let slice = aligner.close(at: .max, feedback: .max) { _ = assembly.moment(slice, ordinal: .max) }
            }
        }
    }

    @Test func aShapeWhoseProductOverflowsIsRefused() throws {
        let frame = FeatureFrame.with {
            $0.stamp = Stamp(from: "vector", sequence: 1)
            $0.frame = .with { ($0.session, $0.modality, $0.rows, $0.columns) = ("a", "vector", .max, .max) }
        }
        let refusal = #expect(throws: Refusal.self) {
            try FuseProcessor.Input(WireMessage(frame, on: Topics.feature("vector"), payload: [Payload([1] as [Float])]))
        }
        #expect(refusal?.reason == .wrongShape)
        let moment = Moment.with { $0.senses = [.with { ($0.modality, $0.present, $0.rows, $0.columns) = ("vector", true, .max, .max) }] }
        #expect(MomentInput(moment, payload: [[1]]) == nil)
    }

    @Test(arguments: times) func aMomentMayHaveArrivedAtAnyTime(arrived: Int64) throws {
        var fuse = Harness(try FuseProcessor(settings(), clock: VirtualClock()))
        let boundary = FeatureFrame.with {
            $0.stamp = Stamp(from: "vector", sequence: 1)
            $0.boundary = .with { ($0.ordinal, $0.epoch, $0.session, $0.end, $0.arrived) = (1, 1, "a", 5, arrived) }
        }
        for modality in ["vector", "text"] { fuse.send(try .init(WireMessage(boundary, on: Topics.feature(modality)))) }
        #expect(fuse.outputs.contains { $0.message is MomentEvent })
    }

    @Test func aCheckpointWithImpossibleCountsIsNotUsed() {
        var progress = LearnProgress()
        #expect(progress.isPlausible)
        progress.version = .max
        #expect(!progress.isPlausible)
        progress = LearnProgress()
        progress.momentsPublished = 3
        #expect(!progress.isPlausible, "more was published than was seen")
    }

    @Test func aLabelOutOfRangeLeavesItsMomentWaitingForAValidOne() throws {
        let settings = settings()
        var evaluator = Harness(try EvaluateProcessor(settings)), learner = Harness(try LearnProcessor(settings, clock: VirtualClock()))
        let start = try #require(learner.advance(by: .milliseconds(1)).first)
        var update = try #require(start.message as? ModelUpdate)
        update.stamp = Stamp(from: "learn", sequence: 1)
        evaluator.send(try .init(WireMessage(update, on: Topics.modelUpdate.only, payload: start.payload)))
        evaluator.send(try .init(event { $0.end = 1 }))
        learner.send(try .init(event { $0.end = 1 }))
        for (wrong, classes) in [(4, 0), (UInt32.max, 0), (3, 2)] as [(UInt32, UInt32)] {
            evaluator.send(try .init(label { ($0.moment, $0.label, $0.classes) = ("a/1", wrong, classes) }))
            learner.send(try .init(label { ($0.moment, $0.label, $0.classes) = ("a/1", wrong, classes) }))
        }
        #expect(
            evaluator.processor.telemetry.drops[.labelOutOfRange] == 3
                && learner.refusals.map(\.reason) == Array(repeating: .labelOutOfRange, count: 3))
        evaluator.send(try .init(label { $0.moment = "a/1" }))
        learner.send(try .init(label { $0.moment = "a/1" }))
        #expect(evaluator.processor.telemetry.drops[.orphanLabel] == 0 && learner.refusals.count == 3)
        let summary = try #require(evaluator.advance(by: .seconds(2)).compactMap { $0.message as? EvaluationSummary }.last)
        #expect(summary.running.first?.labelled == 1)
    }
}
