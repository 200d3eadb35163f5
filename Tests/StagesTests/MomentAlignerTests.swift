import Schema
import Statistics
import Testing
@testable import Timing

struct MomentAlignerTests {
    private func frame(_ modality: String, _ time: Int64, sequence: UInt64, source: String = "s") -> MomentAligner.Arrival {
        .init(
            frame: .with {
                $0.session = "a"; $0.source = source; $0.modality = modality; $0.time = time; $0.sequence = sequence; $0.rows = 1;
                $0.columns = 1
            },
            values: [Float(time)])
    }

    private func boundary(_ ordinal: UInt64, end: Int64, feedback: UInt64 = 0) -> Boundary {
        .with {
            $0.ordinal = ordinal; $0.session = "a"; $0.end = end; $0.feedback = feedback
        }
    }

    @Test func aMomentHoldsTheFramesBetweenTwoBoundaries() throws {
        var aligner = MomentAligner(.init(), modalities: ["image", "text"], policies: ["image": "latest"], waitsForAll: true)
        for (index, time) in [1, 5, 9].enumerated() {
            #expect(aligner.insert(frame("image", Int64(time), sequence: UInt64(index + 1)), at: 0) == nil)
        }
        #expect(aligner.insert(frame("text", 6, sequence: 1), at: 0) == nil)
        _ = aligner.insert(boundary(1, end: 6), from: "image", at: 0)
        #expect(aligner.close(at: 0, feedback: 0) == nil, "text has not passed the boundary")
        _ = aligner.insert(boundary(1, end: 6), from: "text", at: 0)
        let sliceClosed = aligner.close(at: 0, feedback: 0)
        let slice = try #require(sliceClosed)
        #expect(slice.frames["image"]?.map(\.frame.time) == [5], "of images the latest")
        #expect(slice.frames["text"]?.map(\.frame.time) == [6])
        for modality in ["image", "text"] { _ = aligner.insert(boundary(2, end: 10), from: modality, at: 0) }
        let secondClosed = aligner.close(at: 0, feedback: 0)
        let second = try #require(secondClosed)
        #expect(second.frames["image"]?.map(\.frame.time) == [9] && second.frames["text"] == nil && second.start == 6)
    }

    @Test func lateDuplicateAndDisorderedReadingsAreDistinguished() throws {
        var settings = MomentAligner.Configuration(), rule = AlignmentRule(modality: "image")
        rule.policy = "concatenate"
        settings.alignment = [rule]
        var aligner = MomentAligner(settings, modalities: ["image"], policies: ["image": "latest"], waitsForAll: true)
        #expect(aligner.insert(frame("image", 5, sequence: 2), at: 0) == nil)
        #expect(aligner.insert(frame("image", 5, sequence: 2), at: 0) == .duplicate)
        #expect(aligner.insert(frame("image", 3, sequence: 1), at: 0) == nil && aligner.outOfOrder == 1)
        _ = aligner.insert(boundary(1, end: 6), from: "image", at: 0)
        let sliceClosed = aligner.close(at: 0, feedback: 0)
        let slice = try #require(sliceClosed)
        #expect(slice.frames["image"]?.map(\.frame.time) == [3, 5])
        #expect(aligner.insert(frame("image", 4, sequence: 3), at: 0) == .late)
        #expect(aligner.insert(frame("sonar", 9, sequence: 1), at: 0) == .unknownModality)
    }

    @Test func liveAMomentWaitsForEverySourceButNeverLongerThanTheLateness() {
        var settings = MomentAligner.Configuration()
        (settings.lateness, settings.extraction) = (0.05, 0)
        var aligner = MomentAligner(settings, modalities: ["image", "text"], policies: ["image": "latest"], waitsForAll: false)
        _ = aligner.insert(frame("image", 5, sequence: 1, source: "camera"), at: 0)
        _ = aligner.insert(frame("text", 10, sequence: 1, source: "words"), at: 0)
        for modality in ["image", "text"] { _ = aligner.insert(boundary(1, end: 10), from: modality, at: 1_000) }
        #expect(aligner.close(at: 2_000, feedback: 0) == nil, "the camera may still be sending")
        _ = aligner.insert(frame("image", 11, sequence: 2, source: "camera"), at: 3_000)
        #expect(aligner.close(at: 4_000, feedback: 0) != nil, "it has passed the end")
        _ = aligner.insert(boundary(2, end: 20), from: "image", at: 10_000)
        #expect(aligner.close(at: 49_999_999 + 10_000, feedback: 0) == nil)
        #expect(aligner.close(at: 50_000_000 + 10_000, feedback: 0) != nil)
    }

    /// A picture whose features take longer than any source may be late belongs to its moment all the same.
    @Test func liveAMomentWaitsForAnExtractorThatStillWorks() {
        var settings = MomentAligner.Configuration()
        (settings.lateness, settings.extraction, settings.sourceTimeout) = (0.01, 0.1, 1)
        var aligner = MomentAligner(settings, modalities: ["image", "text"], policies: ["image": "latest"], waitsForAll: false)
        func at(_ milliseconds: Int64) -> Int64 { milliseconds * 1_000_000 }
        for modality in ["image", "text"] { _ = aligner.insert(boundary(1, end: 1), from: modality, at: 0) }
        #expect(aligner.close(at: 0, feedback: 0) != nil)
        _ = aligner.insert(boundary(2, end: 20), from: "text", at: at(100))
        #expect(aligner.close(at: at(150), feedback: 0) == nil, "the picture's features are not there yet")
        #expect(aligner.insert(frame("image", 20, sequence: 1), at: at(160)) == nil)
        _ = aligner.insert(boundary(2, end: 20), from: "image", at: at(160))
        #expect(aligner.close(at: at(160), feedback: 0)?.frames["image"]?.count == 1)
        _ = aligner.insert(boundary(3, end: 30), from: "text", at: at(200))
        #expect(aligner.close(at: at(299), feedback: 0) == nil)
        #expect(aligner.close(at: at(300), feedback: 0) != nil, "it works for too long")
        _ = aligner.insert(boundary(4, end: 40), from: "text", at: at(1_161))
        #expect(aligner.close(at: at(1_171), feedback: 0) != nil, "it has not been heard of for a second: it may have ended")
    }

    @Test func inLockstepAMomentWaitsForTheFeedbackThatCameBeforeIt() {
        var aligner = MomentAligner(.init(), modalities: ["text"], waitsForAll: true)
        _ = aligner.insert(boundary(1, end: 1, feedback: 2), from: "text", at: 0)
        #expect(aligner.close(at: .max, feedback: 1) == nil)
        #expect(aligner.close(at: 0, feedback: 2) != nil)
    }

    @Test(arguments: 0..<20 as Range<UInt64>)
    func anyOrderOfArrivalGivesTheSameMoments(seed: UInt64) {
        let frames = (1...40).map { frame(["image", "text", "audio"][$0 % 3], Int64($0 * 10), sequence: UInt64($0)) }
        func moments(_ frames: [MomentAligner.Arrival]) -> [MomentAligner.Slice] {
            var aligner = MomentAligner(.init(), modalities: ["image", "text", "audio"], policies: ["image": "latest"], waitsForAll: true)
            for frame in frames { _ = aligner.insert(frame, at: 0) }
            for ordinal in 1...4 as ClosedRange<UInt64> {
                for modality in ["text", "audio", "image"] {
                    _ = aligner.insert(boundary(ordinal, end: Int64(ordinal) * 100), from: modality, at: 0)
                }
            }
            return (1...4).compactMap { _ in aligner.close(at: 0, feedback: 0) }
        }
        var random = RandomSource(seed: seed)
        let shuffled = (frames + frames.prefix(7)).shuffled(using: &random)
        let slices = moments(shuffled)
        #expect(
            slices.map { $0.frames["image"]?.map(\.values) } == [[[90]], [[180]], [[300]], [[390]]], "seed \(seed): of images the latest")
        #expect(
            slices.map { $0.frames["text"]?.flatMap(\.values) } == [
                [10, 40, 70, 100], [130, 160, 190], [220, 250, 280], [310, 340, 370, 400],
            ], "seed \(seed)")
        #expect(
            slices.map { $0.frames["audio"]?.flatMap(\.values) } == [
                [20, 50, 80], [110, 140, 170, 200], [230, 260, 290], [320, 350, 380],
            ], "seed \(seed)")
        #expect(slices.map(\.start) == [10, 100, 200, 300] && slices.map(\.boundary.end) == [100, 200, 300, 400])
        #expect(slices == moments(frames), "seed \(seed)")
    }

    @Test func thereIsRoomAgainWhenAMomentThatWaitsIsClosed() {
        var settings = MomentAligner.Configuration()
        (settings.maximumFrames, settings.maximumPending) = (3, 2)
        let journaled = MomentAligner.Journaled(modalities: ["image", "text"], patience: .max)
        var aligner = MomentAligner(settings, modalities: ["image", "text"], waitsForAll: false, journaled: journaled)
        func next(_ time: Int64) -> MomentAligner.Arrival { frame("image", time, sequence: UInt64(time)) }
        for time in 1...3 as ClosedRange<Int64> { _ = aligner.insert(next(time), at: 0) }
        #expect(aligner.hasRoom(for: next(4).frame), "no moment ends: its oldest frame would be dropped")
        _ = aligner.insert(boundary(1, end: 3), from: "text", record: 1, at: 0)
        #expect(aligner.hasRoom(for: next(3).frame), "images have not passed the end: it waits for them")
        _ = aligner.insert(boundary(1, end: 3), from: "image", record: 1, at: 0)
        #expect(!aligner.hasRoom(for: next(4).frame))
        var other = next(4).frame
        other.session = "b"
        #expect(aligner.hasRoom(for: other))
        _ = aligner.insert(boundary(2, end: 9), from: "text", record: 2, at: 0)
        #expect(aligner.hasRoom(for: boundary(2, end: 9)) && !aligner.hasRoom(for: boundary(3, end: 10)))
        #expect(aligner.close(at: 0, feedback: 0)?.frames["image"]?.count == 3)
        #expect(aligner.hasRoom(for: next(4).frame) && aligner.hasRoom(for: boundary(3, end: 10)))
    }

    @Test func memoryIsBoundedUnderAnyLoad() {
        var settings = MomentAligner.Configuration()
        settings.maximumFrames = 8
        settings.maximumSessions = 4
        settings.maximumPending = 5
        settings.maximumSources = 3
        var aligner = MomentAligner(settings, modalities: ["image"], policies: ["image": "latest"], waitsForAll: true)
        var refused = 0
        for index in 1...200 {
            refused +=
                aligner.insert(frame("image", Int64(index), sequence: UInt64(index), source: "s\(index)"), at: Int64(index)) == .overflow
                ? 1 : 0
        }
        #expect(refused == 192)
        let boundaries = (2...20 as ClosedRange<UInt64>).map { aligner.insert(boundary($0, end: Int64($0)), from: "image", at: 0) }
        #expect(boundaries.filter { $0 == .overflow }.count == 14)
    }
}
