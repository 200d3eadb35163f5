import Messaging
import Pipeline
import PipelineTesting
import Schema
import Signals
import Testing
import Timing
@testable import Configuration
@testable import Extract
@testable import Fuse

/// Fuse's order of what comes of ingest's journal.
struct ReadingReceptionTests {
    private func place(_ ordinal: UInt64, after previous: UInt64, part: UInt32 = 0, of parts: UInt32 = 1, again: Bool = false)
        -> JournalPlace
    {
        .with { ($0.ordinal, $0.previous, $0.part, $0.parts, $0.again) = (ordinal, previous, part, parts, again) }
    }

    private func receive(_ place: JournalPlace, on stream: String, _ reception: inout ReadingReception) -> ReadingReception.Outcome {
        reception.receive(place, on: stream, at: Instant(seconds: 1))
    }

    private func report(_ reception: inout ReadingReception, at seconds: Double) -> Coverage? {
        reception.report(at: Instant(seconds: seconds))
    }

    @Test func eachMessageIsTakenOnceAndInOrder() {
        var reception = ReadingReception(["text", "image"], after: 10, patience: .seconds(10))
        #expect(receive(place(9, after: 8), on: "text", &reception) == .again)
        #expect(receive(place(12, after: 10), on: "text", &reception) == .next)
        #expect(receive(place(12, after: 10), on: "text", &reception) == .again)
        #expect(receive(place(20, after: 17), on: "text", &reception) == .early)
        #expect(receive(place(17, after: 12), on: "text", &reception) == .next)
        #expect(receive(place(20, after: 17), on: "text", &reception) == .next)
        // The other stream has had nothing.
        #expect(reception.received == 10)
        #expect(receive(place(20, after: 3), on: "image", &reception) == .next)
        #expect(reception.received == 20)
    }

    @Test func aRecordOfSeveralPartsIsReceivedWithItsLast() {
        var reception = ReadingReception(["text"], after: 0, patience: .seconds(10))
        #expect(receive(place(5, after: 0, part: 1, of: 3), on: "text", &reception) == .early)
        #expect(receive(place(5, after: 0, part: 0, of: 3), on: "text", &reception) == .next)
        #expect(receive(place(5, after: 0, part: 2, of: 3), on: "text", &reception) == .early)
        #expect(receive(place(5, after: 0, part: 1, of: 3), on: "text", &reception) == .next)
        // Some of it is missing: a later record is not taken.
        #expect(receive(place(6, after: 5), on: "text", &reception) == .early && reception.received == 0)
        #expect(receive(place(5, after: 0, part: 0, of: 3), on: "text", &reception) == .again)
        #expect(receive(place(5, after: 0, part: 2, of: 3), on: "text", &reception) == .next)
        #expect(reception.received == 5)
    }

    @Test func whatIsMissingIsAskedForUntilItComes() throws {
        var reception = ReadingReception(["text"], after: 0, patience: .seconds(3))
        // At the start it is not known whether there is anything.
        #expect(report(&reception, at: 1)?.asks == true)
        _ = reception.receive(place(1, after: 0), on: "text", at: Instant(seconds: 1))
        #expect(report(&reception, at: 3)?.asks == false)
        _ = reception.receive(place(4, after: 3), on: "text", at: Instant(seconds: 3.1))
        let question = try #require(report(&reception, at: 3.1))
        #expect(question.asks && question.streams.map(\.received) == [1] && question.passesOver.isEmpty)
        #expect(report(&reception, at: 3.5) == nil)
        #expect(report(&reception, at: 4.2)?.asks == true)
        // Nothing comes of the next reading.
        #expect(report(&reception, at: 6.2)?.passesOver == "text")
        _ = reception.receive(place(3, after: 1), on: "text", at: Instant(seconds: 6.3))
        _ = reception.receive(place(4, after: 3), on: "text", at: Instant(seconds: 6.3))
        #expect(report(&reception, at: 7.3)?.asks == false)
    }

    @Test func aStreamThatFallsSilentIsNoticedByTheOthers() {
        var reception = ReadingReception(["text", "image"], after: 0, patience: .seconds(10))
        _ = reception.receive(place(1, after: 0), on: "text", at: Instant(seconds: 1))
        reception.expect(2, feedback: 0, at: Instant(seconds: 1))
        _ = reception.receive(place(2, after: 1), on: "text", at: Instant(seconds: 1))
        #expect(report(&reception, at: 1.5)?.asks == false)
        #expect(report(&reception, at: 2.6)?.asks == true)
    }

    /// What there is no room for stays in the journal, however long that lasts, and what follows it too.
    @Test func whatThereIsNoRoomForIsAskedForAgain() throws {
        var reception = ReadingReception(["text"], after: 0, patience: .seconds(3))
        _ = reception.receive(place(1, after: 0), on: "text", at: Instant(seconds: 1))
        for second in 2...9 {
            let now = Instant(seconds: Double(second))
            #expect(reception.receive(place(2, after: 1), on: "text", isRoom: false, at: now) == .full)
            #expect(reception.receive(place(3, after: 2), on: "text", at: now) == .early)
            let question = try #require(report(&reception, at: Double(second)))
            #expect(question.asks && question.streams.map(\.received) == [1] && question.passesOver.isEmpty)
        }
        #expect(reception.heldBack == 8)
        #expect(reception.receive(place(1, after: 0), on: "text", isRoom: false, at: Instant(seconds: 10)) == .again)
        #expect(reception.receive(place(2, after: 1), on: "text", at: Instant(seconds: 10)) == .next)
        #expect(reception.receive(place(3, after: 2), on: "text", at: Instant(seconds: 10)) == .next)
        #expect(reception.received == 3 && report(&reception, at: 11)?.asks == false)
    }

    /// What an extractor cannot read has its place, and is not asked for again.
    @Test func anExtractorSaysWhatItGivesUp() throws {
        var extractor = Harness(try ExtractProcessor(ExtractSettings(), modality: "vector"), at: Instant(seconds: 1))
        func sample(_ format: String, _ place: JournalPlace?, arrived: Double = 1) throws -> ExtractProcessor.Input {
            let sample = Sample.with {
                ($0.stamp, $0.arrived) = (Stamp(from: "ingest", sequence: 1), Instant(seconds: arrived).nanoseconds)
                $0.reading = .with { ($0.session, $0.modality, $0.format) = ("a", "vector", format) }
                if let place { $0.place = place }
            }
            return try .init(WireMessage(sample, on: Topics.sample("vector"), payload: [Payload([1, 2] as [Float])]))
        }
        func frames(_ outputs: [Outgoing]) -> [FeatureFrame] { outputs.compactMap { $0.message as? FeatureFrame } }
        let good = frames(extractor.send(try sample("vector/f32le", place(3, after: 2))))
        #expect(good.map(\.place.ordinal) == [3] && good.map(\.frame.columns) == [16])
        let bad = frames(extractor.send(try sample("vector/unknown", place(4, after: 3))))
        #expect(bad.map(\.givenUp) == ["unknownFormat"] && bad.map(\.place.ordinal) == [4])
        let old = frames(extractor.send(try sample("vector/f32le", place(5, after: 4), arrived: -60)))
        #expect(old.map(\.givenUp) == ["shed"] && extractor.refusals.isEmpty)
        #expect(extractor.processor.telemetry.drops.total == 2)
        // Without a journal nobody asks.
        #expect(extractor.send(try sample("vector/unknown", nil)).isEmpty && extractor.refusals.count == 1)
    }

    @Test func aMomentWaitsForTheModalitiesOfTheJournalAtMostForThePatience() {
        var settings = FuseSettings()
        settings.sourceTimeout = 0
        func closed(after seconds: Double, _ journaled: MomentAligner.Journaled?) -> MomentAligner.Slice? {
            var aligner = MomentAligner(settings, modalities: ["text", "image"], waitsForAll: false, journaled: journaled)
            let boundary = Boundary.with { ($0.ordinal, $0.epoch, $0.session, $0.end) = (1, 1, "a", 1_000) }
            let frame = Frame.with { ($0.session, $0.source, $0.modality, $0.time) = ("a", "words", "text", 900) }
            #expect(aligner.insert(.init(frame: frame, values: [1], reading: 7), at: 0) == nil)
            #expect(aligner.insert(boundary, from: "text", record: 8, at: 0) == nil)
            return aligner.close(at: Int64(seconds * 1e9), feedback: 0)
        }
        let journaled = MomentAligner.Journaled(modalities: ["text", "image"], patience: 5_000_000_000)
        #expect(closed(after: 1, nil) != nil)
        #expect(closed(after: 1, journaled) == nil)
        #expect(closed(after: 5, journaled)?.readings == [7])
        #expect(closed(after: 1, .init(modalities: ["text"], patience: 5_000_000_000))?.readings == [7])
    }
}
