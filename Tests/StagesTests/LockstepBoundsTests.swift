import Messaging
import Pipeline
import PipelineTesting
import Schema
import Testing
@testable import Configuration
@testable import Evaluate
@testable import Fuse
@testable import Learn
@testable import Timing

/// In lockstep bounds hold, no moment waits for refused input, and refusals do not depend on the order of arrival.
struct LockstepBoundsTests {
    private func settings(pending: Int) -> GraphSettings {
        var settings = GraphSettings()
        (settings.model.width, settings.model.heads, settings.model.layers) = (8, 2, 1)
        (settings.model.text.length, settings.model.text.buckets, settings.model.classes) = (8, 16, 4)
        settings.model.senses = [.init(name: "vector", rows: 1, columns: 2, embedding: 4, hidden: 8)]
        settings.mode = .lockstep
        (settings.fuse.maximumPending, settings.cut.maximumSessions) = (pending, 4)
        return settings
    }

    private func boundary(_ ordinal: UInt64, feedback: UInt64) throws -> [FuseProcessor.Input] {
        let boundary = FeatureFrame.with {
            $0.stamp = Stamp(from: "text", sequence: ordinal)
            $0.boundary = .with { ($0.ordinal, $0.epoch, $0.session, $0.end, $0.feedback) = (ordinal, 1, "a", Int64(ordinal), feedback) }
        }
        return try ["text", "vector"].map { try .init(WireMessage(boundary, on: Topics.feature($0))) }
    }

    private func label(_ number: UInt64, after boundary: UInt64) throws -> FuseProcessor.Input {
        let feedback = Feedback.with {
            $0.stamp = Stamp(from: "labels", sequence: number)
            ($0.session, $0.moment, $0.label, $0.afterBoundary) = ("a", "a/\(number)", 1, boundary)
        }
        return try .init(WireMessage(feedback, on: Topics.feedback("a")))
    }

    private func update(_ settings: GraphSettings) throws -> FuseProcessor.Input {
        var learner = Harness(try LearnProcessor(settings, clock: VirtualClock()))
        let start = try #require(learner.advance(by: .milliseconds(1)).first)
        var update = try #require(start.message as? ModelUpdate)
        update.stamp = Stamp(from: "learn", sequence: 1)
        return try .init(WireMessage(update, on: Topics.modelUpdate.only, payload: start.payload))
    }

    /// Ordinals of moments, and labels, in the order in which they are published.
    private func events(_ outputs: [Outgoing]) -> [String] {
        outputs.compactMap { ($0.message as? MomentEvent)?.event }.compactMap {
            switch $0 {
            case .moment(let moment): "moment \(moment.ordinal)"
            case .feedback(let feedback): feedback.moment
            default: nil
            }
        }
    }

    @Test(arguments: [false, true]) func moreLabelsThanMayWaitStopNoMoment(labelsFirst: Bool) throws {
        let settings = settings(pending: 3)
        var fuse = Harness(try FuseProcessor(settings, clock: VirtualClock()))
        fuse.send(try update(settings))
        let labels =
            try (1...5 as ClosedRange<UInt64>).map { try label($0, after: 1) }
            + (6...7 as ClosedRange<UInt64>).map { try label($0, after: 2) }
        let boundaries = try boundary(1, feedback: 0) + boundary(2, feedback: 5) + boundary(3, feedback: 7)
        for input in labelsFirst ? labels + boundaries : boundaries + labels { fuse.send(input) }
        #expect(events(fuse.outputs) == ["moment 1", "a/1", "a/2", "a/3", "moment 2", "a/6", "a/7", "moment 3"])
        #expect(fuse.refusals.map(\.reason) == [.overflow, .overflow])
    }

    @Test func moreBoundariesThanMayWaitAreAllDealtWith() throws {
        var settings = settings(pending: 1)
        settings.lockstep.window = 8
        var fuse = Harness(try FuseProcessor(settings, clock: VirtualClock()))
        for ordinal in 1...12 as ClosedRange<UInt64> {  // nothing closes before there is a model
            for input in try boundary(ordinal, feedback: 0) { fuse.send(input) }
        }
        fuse.send(try update(settings))
        #expect(events(fuse.outputs) == (1...12).map { "moment \($0)" } && fuse.refusals.isEmpty)
    }

    @Test func droppedFramesDoNotDependOnTheProgressOfMoments() {
        var settings = FuseSettings()
        settings.maximumFrames = 3
        var rule = AlignmentRule(modality: "vector")
        rule.policy = "concatenate"
        settings.alignment = [rule]
        func moments(textFirst: Bool) -> [[Int64]] {
            var aligner = MomentAligner(settings, modalities: ["vector", "text"], waitsForAll: true), made: [[Int64]] = []
            func close() {
                while let slice = aligner.close(at: 0, feedback: 0) { made.append(slice.frames["vector"]?.map(\.frame.time) ?? []) }
            }
            func confirm(_ modality: String, _ ordinal: UInt64) {
                _ = aligner.insert(.with { ($0.ordinal, $0.session, $0.end) = (ordinal, "a", Int64(ordinal) * 10) }, from: modality, at: 0)
                close()
            }
            if textFirst { for ordinal in 1...3 as ClosedRange<UInt64> { confirm("text", ordinal) } }
            for ordinal in 1...3 as ClosedRange<UInt64> {
                for place in 1...Int64(ordinal + 1) {
                    let frame = Frame.with {
                        ($0.session, $0.source, $0.modality, $0.time) = ("a", "s", "vector", Int64(ordinal - 1) * 10 + place)
                        ($0.sequence, $0.rows, $0.columns) = (UInt64(place), 1, 1)
                    }
                    _ = aligner.insert(.init(frame: frame, values: [1]), at: 0)
                }
                confirm("vector", ordinal)
            }
            if !textFirst { for ordinal in 1...3 as ClosedRange<UInt64> { confirm("text", ordinal) } }
            return made
        }
        #expect(moments(textFirst: true) == [[1, 2], [11, 12, 13], [22, 23, 24]])
        #expect(moments(textFirst: false) == [[1, 2], [11, 12, 13], [22, 23, 24]])
    }
}

extension LockstepBoundsTests {
    @Test func aMomentThatIsRefusedKeepsNoReplayWaiting() throws {
        var settings = GraphSettings()
        (settings.model.width, settings.model.heads, settings.model.layers) = (8, 2, 1)
        (settings.model.text.length, settings.model.text.buckets) = (8, 16)
        settings.mode = .lockstep
        var evaluator = Harness(try EvaluateProcessor(settings))
        for ordinal in 1...3 as ClosedRange<UInt64> {
            let event = MomentEvent.with {
                $0.stamp = Stamp(from: "fuse", sequence: ordinal)
                $0.moment = .with {
                    ($0.ordinal, $0.session, $0.id) = (ordinal, "a", "a/\(ordinal)")
                    $0.senses = [.with { ($0.modality, $0.present, $0.rows, $0.columns, $0.validity) = ("text", true, 1, 1, 1) }]
                }
            }
            evaluator.send(try .init(WireMessage(event, on: Topics.moment("a"), payload: [Payload([99_999] as [Float])])))
        }
        let outputs = evaluator.outputs + evaluator.advance(by: .milliseconds(1))
        #expect(evaluator.refusals.map(\.reason) == Array(repeating: .wrongShape, count: 3))
        #expect(outputs.compactMap { ($0.message as? EvaluationProgress)?.ordinal }.max() == 3)
    }
}
