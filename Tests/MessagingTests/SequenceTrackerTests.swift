import Messaging
import PipelineTesting
import Schema
import Testing

struct SequenceTrackerTests {
    let topic = "sensor.image.camera/"

    @Test func gapsAreCountedByTopic() throws {
        var tracker = SequenceTracker()
        for sequence: UInt64 in [4, 5, 8, 9, 19] {
            #expect(try tracker.accept(Stamp(from: "camera", sequence: sequence), on: topic))
        }
        #expect(tracker.gaps == [topic: 2 + 9])
    }

    @Test func aLateJoinersFirstIsAGapOnlyWhereNothingMayBeLost() throws {
        var strict = SequenceTracker(countsFromOne: true)
        #expect(try strict.accept(Stamp(from: "camera", sequence: 4), on: topic))
        #expect(strict.gaps == [topic: 3])
    }

    @Test func aRepeatIsNoMistakeAndRunningBackIs() throws {
        var tracker = SequenceTracker()
        #expect(try tracker.accept(Stamp(from: "camera", sequence: 7), on: topic))
        #expect(try !tracker.accept(Stamp(from: "camera", sequence: 7), on: topic))
        let refusal = #expect(throws: Refusal.self) { try tracker.accept(Stamp(from: "camera", sequence: 6), on: topic) }
        #expect(refusal?.reason == .sequenceRunsBack)
        #expect(try tracker.accept(Stamp(from: "camera", sequence: 8), on: topic))
        #expect(tracker.gaps.isEmpty)
    }

    @Test func aNewEpochBeginsAgainAndAnOldOneIsStale() throws {
        var tracker = SequenceTracker()
        #expect(try tracker.accept(Stamp(from: "camera", sequence: 90, epoch: 1), on: topic))
        #expect(try tracker.accept(Stamp(from: "camera", sequence: 1, epoch: 2), on: topic))
        let refusal = #expect(throws: Refusal.self) {
            try tracker.accept(Stamp(from: "camera", sequence: 91, epoch: 1), on: topic)
        }
        #expect(refusal?.reason == .staleEpoch)
        #expect(tracker.gaps.isEmpty)
    }

    @Test func sourcesAndTopicsCountApart() throws {
        var tracker = SequenceTracker()
        #expect(try tracker.accept(Stamp(from: "a", sequence: 5), on: topic))
        #expect(try tracker.accept(Stamp(from: "b", sequence: 1), on: topic))
        #expect(try tracker.accept(Stamp(from: "a", sequence: 2), on: "cut.s/"))
        #expect(tracker.gaps.isEmpty)
    }

    @Test func theLeastRecentlyUsedAreForgottenForNewOnes() throws {
        var tracker = SequenceTracker(maximumSources: 4)
        for name in ["a", "b", "c", "d"] { #expect(try tracker.accept(Stamp(from: name, sequence: 7), on: topic)) }
        #expect(try tracker.accept(Stamp(from: "a", sequence: 8), on: topic))
        #expect(try tracker.accept(Stamp(from: "e", sequence: 1), on: topic))
        // b was used least recently and is new again, in place of c; a and d are known.
        #expect(try tracker.accept(Stamp(from: "b", sequence: 2), on: topic))
        #expect(throws: Refusal.self) { try tracker.accept(Stamp(from: "a", sequence: 5), on: topic) }
        #expect(throws: Refusal.self) { try tracker.accept(Stamp(from: "d", sequence: 5), on: topic) }
        #expect(try tracker.accept(Stamp(from: "c", sequence: 1), on: topic))
        for session in 1...10_000 { #expect(try tracker.accept(Stamp(from: "x", sequence: 1), on: "cut.\(session)/")) }
        #expect(tracker.gaps.isEmpty)
    }

    @Test func sumsOfGapsStopAtTheGreatestNumber() throws {
        var tracker = SequenceTracker(countsFromOne: true)
        #expect(try tracker.accept(Stamp(from: "a", sequence: 1), on: topic))
        #expect(try tracker.accept(Stamp(from: "a", sequence: .max), on: topic))
        #expect(tracker.gaps == [topic: UInt64.max - 2])
        #expect(try tracker.accept(Stamp(from: "a", sequence: 4, epoch: 2), on: topic))
        #expect(try tracker.accept(Stamp(from: "a", sequence: .max, epoch: .max), on: topic))
        #expect(try tracker.accept(Stamp(from: "b", sequence: .max, epoch: .max), on: topic))
        #expect(tracker.gaps == [topic: UInt64.max])
    }

    @Test func stampsWithoutASourceAreRefused() throws {
        var tracker = SequenceTracker()
        for stamp in [Stamp(from: "", sequence: 1), Stamp(from: "a b", sequence: 1), Stamp(from: "a", sequence: 0)] {
            let refusal = #expect(throws: Refusal.self) { try tracker.accept(stamp, on: topic) }
            #expect(refusal?.reason == .unstamped)
        }
    }
}
