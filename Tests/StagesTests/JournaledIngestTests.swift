import FilesTesting
import Forgetting
import Foundation
import Messaging
import Pipeline
import PipelineTesting
import Playback
import Schema
import Signals
import Synchronization
import Testing
@testable import Configuration
@testable import Ingest
@testable import Journal

struct JournaledIngestTests {
    private let peer = Peer([1, 2, 3])

    private func harness(_ journal: MemoryJournal) -> Harness<IngestProcessor> {
        Harness(
            IngestProcessor(IngestSettings(GraphSettings()), epoch: 1, wallOffset: 0, closer: "", journal: journal), at: Instant(seconds: 1)
        )
    }

    private func greeting(_ sequence: UInt64, epoch: UInt64 = 7, source: String = "phone") throws -> WireMessage {
        try WireMessage(
            Greeting.with { $0.stamp = Stamp(from: source, sequence: sequence, epoch: epoch) }, on: Topics.greeting(source), from: peer)
    }

    private func reading(
        _ sequence: UInt64, epoch: UInt64 = 7, modality: String = "text", ends: CutKind = .none, at seconds: Double = 1, from peer: Peer?
    ) throws -> WireMessage {
        let reading = SensorReading.with {
            $0.stamp = Stamp(from: "phone", sequence: sequence, epoch: epoch, at: Instant(seconds: seconds))
            $0.stamp.clock = "own"
            ($0.session, $0.modality, $0.format, $0.ends) = ("kitchen", modality, "text/utf-8", ends)
        }
        return try WireMessage(reading, on: Topics.sensor(modality, "phone"), payload: [Payload(Array("hi \(sequence)".utf8))], from: peer)
    }

    /// Passes a message as the stage does.
    @discardableResult
    private func send(_ message: WireMessage, to ingest: inout Harness<IngestProcessor>) -> [IngestProcessor.Output] {
        do throws(Refusal) {
            let input = try IngestProcessor.Input(message), refusals = ingest.refusals.count, outputs = ingest.send(input)
            guard ingest.refusals.count > refusals, let refusal = ingest.refusals.last else { return outputs }
            return ingest.refuse(message, because: refusal)
        } catch {
            return ingest.refuse(message, because: error)
        }
    }

    private func answers(_ outputs: [IngestProcessor.Output]) -> [Acknowledgement] {
        outputs.compactMap { if case .acknowledgement(let answer, _, _) = $0 { answer } else { nil } }
    }

    private func samples(_ outputs: [IngestProcessor.Output]) -> [Sample] {
        outputs.compactMap { if case .sample(let sample, _, _) = $0 { sample } else { nil } }
    }

    @Test func aMessageIsPassedOnAndAcknowledgedWhenItIsOnDisk() throws {
        let journal = MemoryJournal()
        var ingest = harness(journal)
        let hello = try #require(answers(send(try greeting(1), to: &ingest)).first)
        #expect(hello.epoch == 7 && hello.sequence == 0 && hello.credit == 64 && hello.again && hello.problem.isEmpty)
        for sequence in 1...3 as ClosedRange<UInt64> {
            let outputs = send(try reading(sequence, from: peer), to: &ingest)
            #expect(outputs.isEmpty)
        }
        #expect(ingest.advance(by: .milliseconds(2)).isEmpty)
        journal.makeDurable(2)
        let outputs = ingest.advance(by: .milliseconds(2)), told = answers(outputs)
        #expect(told.map(\.sequence) == [2] && told.map(\.again) == [false])
        #expect(samples(outputs).map(\.journal) == [1, 2] && samples(outputs).map(\.place.previous) == [0, 1])
        #expect(answers(ingest.finish()).map(\.sequence) == [3])
        #expect(journal.types == [1, 1, 1])
    }

    @Test func messagesAreTakenInOrderAndOnce() throws {
        let journal = MemoryJournal(isPrompt: true)
        var ingest = harness(journal)
        #expect(answers(send(try reading(5, from: peer), to: &ingest)).map(\.problem) == ["unknownSource"])
        send(try greeting(1), to: &ingest)
        send(try reading(1, from: peer), to: &ingest)
        let early = send(try reading(3, from: peer), to: &ingest)
        #expect(answers(early).map(\.again) == [true] && samples(early).isEmpty)
        send(try reading(2, from: peer), to: &ingest)
        let repeated = send(try reading(1, from: peer), to: &ingest)
        #expect(answers(repeated).map(\.again) == [false] && samples(repeated).isEmpty)
        // A newer process of the source: the older one is told.
        send(try greeting(1, epoch: 9), to: &ingest)
        #expect(answers(send(try reading(3, from: peer), to: &ingest)).map(\.problem) == ["staleEpoch"])
        #expect(answers(send(try greeting(3), to: &ingest)).map(\.problem) == ["staleEpoch"])
        #expect(samples(send(try reading(1, epoch: 9, from: peer), to: &ingest)).count == 1)
        #expect(journal.records.count == 3)
    }

    @Test func repeatsAreRecognisedAfterARestart() throws {
        let before = MemoryJournal(isPrompt: true)
        var first = harness(before)
        send(try greeting(1), to: &first)
        for sequence in 1...3 as ClosedRange<UInt64> { send(try reading(sequence, from: peer), to: &first) }
        let journal = MemoryJournal(after: before.records, isPrompt: true)
        var second = harness(journal)
        // The publisher has heard of the first message only.
        #expect(answers(send(try greeting(2), to: &second)).map(\.sequence) == [3])
        for sequence in 2...3 as ClosedRange<UInt64> { #expect(samples(send(try reading(sequence, from: peer), to: &second)).isEmpty) }
        #expect(samples(send(try reading(4, from: peer), to: &second)).map(\.journal) == [1_004])
        #expect(journal.records.count == 4)
    }

    @Test func aRefusedMessageHasItsPlaceAndIsTold() throws {
        let journal = MemoryJournal()
        var ingest = harness(journal)
        send(try greeting(1), to: &ingest)
        #expect(samples(send(try reading(1, modality: "sonar", from: peer), to: &ingest)).isEmpty)
        let twoFrames = WireMessage(
            topic: "sensor.text.phone/",
            header: try SensorReading.with {
                $0.stamp = Stamp(from: "phone", sequence: 2, epoch: 7)
                $0.modality = "text"
            }.serializedBytes(), from: peer)
        send(twoFrames, to: &ingest)
        #expect(send(try reading(3, from: peer), to: &ingest).isEmpty)
        journal.makeDurable(3)
        let outputs = ingest.advance(by: .milliseconds(2)), told = try #require(answers(outputs).first)
        #expect(samples(outputs).count == 1)
        #expect(told.sequence == 3 && told.refused.map(\.sequence) == [1, 2])
        #expect(told.refused.map(\.reason) == ["unknownModality", "wrongShape"])
        #expect(journal.types == [5, 5, 1])
        // A message whose stamp cannot be read has no place.
        send(WireMessage(topic: "sensor.text.phone/", header: [255, 255], payload: [Payload([1] as [UInt8])], from: peer), to: &ingest)
        #expect(journal.records.count == 3)
    }

    @Test func withoutRoomNothingIsTakenAndWhatIsNotAcknowledgedIsPassedOnAllTheSame() throws {
        let journal = MemoryJournal(isPrompt: true)
        var ingest = harness(journal)
        send(try greeting(1), to: &ingest)
        journal.set { ($0.hasRoom, $0.status.failure, $0.status.failures) = (false, "no space", 1) }
        #expect(send(try reading(1, from: peer), to: &ingest).isEmpty)
        #expect(answers(send(try greeting(1), to: &ingest)).map(\.credit) == [0])
        // Publish/subscribe: predictions go on.
        #expect(samples(send(try reading(1, from: nil), to: &ingest)).map(\.journal) == [0])
        ingest.advance(by: .milliseconds(2))
        let drops = ingest.processor.telemetry.drops
        #expect(drops[.init(rawValue: "unjournaled")] == 1 && drops[.init(rawValue: "journalFailed")] == 1)
        journal.set { ($0.hasRoom, $0.status.failure) = (true, nil) }
        #expect(answers(send(try greeting(1), to: &ingest)).map(\.credit) == [64])
        #expect(samples(send(try reading(1, from: peer), to: &ingest)).count == 1)
    }

    @Test func aMomentKnowsHowFarItReaches() throws {
        let journal = MemoryJournal(isPrompt: true)
        var ingest = harness(journal)
        send(try reading(1, from: nil), to: &ingest)
        let ended = samples(send(try reading(2, ends: .explicit, at: 2, from: nil), to: &ingest))
        #expect(ended.filter { $0.boundary.ordinal > 0 }.map(\.boundary.journal) == [2, 2, 2, 2])
        send(try reading(3, at: 3, from: nil), to: &ingest)
        // Beyond the time limit: the moment before ends before this reading.
        let cut = samples(send(try reading(4, at: 20, from: nil), to: &ingest))
        #expect(Set(cut.filter { $0.boundary.ordinal > 0 }.map(\.boundary.journal)) == [3] && cut.last?.journal == 4)
        let entries = try journal.records.map { try JournalEntry.read($0.body) }
        #expect(entries.map(\.entry.before.count) == [0, 0, 0, 1] && entries.map(\.entry.after.count) == [0, 1, 0, 0])
        #expect(entries.map { String(decoding: $0.payload, as: UTF8.self) } == ["hi 1", "hi 2", "hi 3", "hi 4"])
        #expect(entries[1].entry.timeline != 0 && entries[1].entry.reading.stamp.sequence == 2)
        // Nothing comes any more.
        let silent = samples(ingest.advance(by: .seconds(60)))
        #expect(Set(silent.map(\.boundary.journal)) == [5] && journal.types == [1, 1, 1, 1, 4])
    }

    private func coverage(_ received: UInt64, asks: Bool, passesOver: String = "") -> IngestProcessor.Input {
        .coverage(
            .with { coverage in
                coverage.streams = ["text", "image", "audio", "vector", "feedback"].map { name in
                    .with { ($0.name, $0.received) = (name, received) }
                }
                (coverage.asks, coverage.passesOver) = (asks, passesOver)
            })
    }

    @Test func whatFuseHasNotReceivedComesAgainInOrder() throws {
        let journal = MemoryJournal()
        var ingest = harness(journal)
        for sequence in 1...3 as ClosedRange<UInt64> { send(try reading(sequence, from: nil), to: &ingest) }
        journal.makeDurable(3)
        #expect(samples(ingest.advance(by: .milliseconds(2))).map(\.place.ordinal) == [1, 2, 3])
        // A record that is not on disk yet is neither repeated nor passed on.
        send(try reading(4, from: nil), to: &ingest)
        let again = samples(ingest.send(coverage(1, asks: true)))
        #expect(again.map(\.place.ordinal) == [2, 3] && again.map(\.place.previous) == [1, 2] && again.allSatisfy(\.place.again))
        #expect(again.map(\.reading.stamp.sequence) == [2, 3] && again.map(\.timeline) == [1, 1])
        journal.makeDurable(4)
        let next = samples(ingest.advance(by: .milliseconds(2)))
        #expect(next.map(\.place.ordinal) == [4] && next.map(\.place.previous) == [3] && next.map(\.place.again) == [false])
        // Where it lacks nothing, nothing comes again.
        #expect(ingest.send(coverage(4, asks: false)).isEmpty && ingest.send(coverage(4, asks: true)).isEmpty)
    }

    @Test func aRestartedIngestRepeatsWhatFuseLacks() throws {
        let before = MemoryJournal(isPrompt: true)
        var first = harness(before)
        for sequence in 1...3 as ClosedRange<UInt64> { send(try reading(sequence, from: nil), to: &first) }
        var second = harness(before.afterKill())
        #expect(samples(second.send(coverage(2, asks: false))).map(\.place.ordinal) == [3])
        let next = samples(send(try reading(4, from: nil), to: &second))
        #expect(next.map(\.place.ordinal) == [1_004] && next.map(\.place.previous) == [3])
    }

    @Test func aReadingOfWhichNothingComesIsGivenUp() throws {
        let journal = MemoryJournal(isPrompt: true)
        var ingest = harness(journal)
        for sequence in 1...3 as ClosedRange<UInt64> { send(try reading(sequence, from: nil), to: &ingest) }
        let again = samples(ingest.send(coverage(1, asks: true, passesOver: "text")))
        #expect(again.map(\.givenUp) == ["passedOver", ""])
        #expect(ingest.processor.telemetry.drops[.passedOver] == 1)
    }

    @Test func anOpenMomentEndsAfterARestart() throws {
        let before = MemoryJournal(isPrompt: true)
        var first = harness(before)
        send(try reading(1, ends: .explicit, at: 1, from: nil), to: &first)
        let open = samples(send(try reading(2, at: 2, from: nil), to: &first))
        let journal = before.afterKill()
        var second = harness(journal)
        // Nothing comes any more: the moment ends where its reading is.
        let ended = samples(second.advance(by: .seconds(60)))
        #expect(Set(ended.map(\.boundary.end)) == [2_000_000_000])
        #expect(Set(ended.map(\.boundary.timeline)) == Set(open.map(\.timeline)))
        // Or with the next reading that ends it.
        var third = harness(before.afterKill())
        let next = samples(send(try reading(3, ends: .explicit, at: 3, from: nil), to: &third))
        #expect(Set(next.map { $0.boundary.timeline == 0 ? $0.timeline : $0.boundary.timeline }) == Set(open.map(\.timeline)))
    }

    @Test func publishersWaitForAGraphThatIsFarBehind() throws {
        let journal = MemoryJournal(isPrompt: true)
        var settings = GraphSettings()
        settings.journal.waitingRecords = 16
        var ingest = Harness(
            IngestProcessor(IngestSettings(settings), epoch: 1, wallOffset: 0, closer: "", journal: journal), at: Instant(seconds: 1))
        for sequence in 1...200 as ClosedRange<UInt64> { send(try reading(sequence, from: nil), to: &ingest) }
        #expect(samples(ingest.send(coverage(0, asks: true))).count == 128)
        #expect(answers(send(try greeting(1, source: "tablet"), to: &ingest)).map(\.credit) == [0])
        #expect(samples(ingest.send(coverage(128, asks: false))).count == 72)
        #expect(answers(send(try greeting(1, source: "tablet"), to: &ingest)).map(\.credit) == [64])
    }

    @Test func damageThatWasFoundIsReported() {
        let journal = MemoryJournal(found: [JournalDamage(segment: "1.journal", offset: 64, bytes: 8, problem: "8 bytes are no record")])
        let drops = harness(journal).processor.telemetry.drops
        #expect(drops[.init(rawValue: "journalDamaged")] == 1)
    }

    @Test func aJournalBecomesASessionThatHasTheSameMoments() throws {
        let journal = MemoryJournal(isPrompt: true), folder = Folder()
        var ingest = harness(journal)
        send(try reading(1, ends: .labelRequest, at: 1.5, from: nil), to: &ingest)
        let label = Feedback.with {
            $0.stamp = Stamp(from: "app", sequence: 1)
            ($0.session, $0.moment, $0.label, $0.classes, $0.knownAt) = ("kitchen", "kitchen/1500000000", 3, 10, 2_000_000_000)
        }
        send(try WireMessage(label, on: Topics.feedback("kitchen")), to: &ingest)
        send(try reading(2, at: 3, from: nil), to: &ingest)
        let cut = Cut.with {
            $0.stamp = Stamp(from: "phone", sequence: 1, at: Instant(seconds: 4))
            ($0.stamp.clock, $0.session) = ("own", "kitchen")
        }
        send(try WireMessage(cut, on: Topics.cut("kitchen")), to: &ingest)
        var export = try SessionExport(to: folder.path("session"))
        for record in journal.records { try export.add(record) }
        #expect((export.readings, export.labels, export.cuts, export.others) == (2, 1, 1, 0))
        let session = try SessionDirectory(path: folder.path("session"))
        let events = try session.events().map { try $0.get() }
        #expect(events.map(\.time) == [1_500_000_000, 1_500_000_000, 3_000_000_000, 4_000_000_000])
        guard case .reading(let first) = events[0], case .label(let second) = events[1], case .cut = events[3] else {
            Issue.record("\(events)")
            return
        }
        #expect(first.endsMoment && first.source == "phone" && second.label == 3 && second.knownAt == 2_000_000_000)
        #expect(try session.load(first).payload == Array("hi 1".utf8))
    }
}
