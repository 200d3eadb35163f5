import FilesTesting
import Foundation
import Journal
import Messaging
import Model
import Moments
import Pipeline
import PipelineTesting
import Schema
import Statistics
import Testing
@testable import Configuration
@testable import Fuse
@testable import Learn
@testable import Learning

/// Live: a learner that was killed, or whose queue has lost messages, learns each moment once and in order, and has the parameters of one
/// to which nothing happened.
struct JournaledLearnTests {
    private func settings(_ folder: Folder) -> GraphSettings {
        var settings = GraphSettings()
        (settings.model.width, settings.model.heads, settings.model.layers) = (8, 2, 1)
        (settings.model.text.length, settings.model.text.buckets, settings.model.classes) = (8, 16, 4)
        (settings.learner.replayed, settings.learner.languageRows, settings.learner.memory) = (1, 1, 8)
        settings.mode = .live
        settings.evaluate.holdOut = 0
        (settings.learn.publishEvery, settings.learn.checkpointInterval, settings.learn.maximumLatency) = (4, 1, 86_400)
        (settings.learn.directory, settings.journal.directory) = (folder.path("checkpoint"), folder.path("journal"))
        (settings.journal.commitInterval, settings.journal.segmentBytes, settings.journal.bytes) = (0, 1 << 16, 1 << 30)
        return settings
    }

    /// A moment of two words, that waits for its label where its ordinal is a multiple of three; or that label.
    private func events(_ count: UInt64) -> [(event: MomentEvent, payload: [[Float]])] {
        var events: [(event: MomentEvent, payload: [[Float]])] = [], random = RandomSource(seed: 3)
        for ordinal in 1...count {
            let moment = Moment.with {
                ($0.ordinal, $0.session, $0.id, $0.journal) = (ordinal, "a", "a/\(ordinal)", 2 * ordinal)
                if ordinal % 3 == 0 { $0.kind = .labelRequest }
                $0.senses = [.with { ($0.modality, $0.present, $0.rows, $0.columns, $0.validity) = ("text", true, 2, 1, 1) }]
            }
            events.append((.with { $0.moment = moment }, [[Float(97 + random.uniform(below: 20)), Float(97 + random.uniform(below: 20))]]))
            guard ordinal % 3 == 1, ordinal > 3 else { continue }
            let label = Feedback.with { ($0.session, $0.moment, $0.label, $0.classes) = ("a", "a/\(ordinal - 1)", UInt32(ordinal % 4), 4) }
            events.append((.with { $0.feedback = label }, []))
        }
        return events
    }

    private struct End: Equatable {
        var parameters: [[Float]]
        var progress: [UInt64?]
        var memory: Int
    }

    /// Runs a learner over events that fuse journals and publishes.
    /// - Parameters:
    ///   - kills: indices of events before which the learner is killed and started again.
    ///   - losses: indices of events that do not reach it over the bus.
    private func run(_ events: [(event: MomentEvent, payload: [[Float]])], kills: Set<Int> = [], losses: Set<Int> = []) async throws -> End
    {
        let folder = Folder(), settings = settings(folder)
        let directory = try #require(settings.journal.moments)
        let journal = try Journal(DirectoryStorage(directory, writes: true), settings.journal.bounds, now: { 0 })
        defer { journal.close() }
        var fuse = MomentJournal(journal), learner = Harness(try LearnProcessor(settings, clock: VirtualClock())), sequence: UInt64 = 0
        learner.advance(by: .milliseconds(1))
        for (index, (event, payload)) in events.enumerated() {
            if kills.contains(index) {
                let now = learner.now
                learner = Harness(try LearnProcessor(settings, clock: VirtualClock()), at: now)
            }
            var event = event
            fuse.add(&event, payload: payload)
            while journal.status.durable < event.position { try await Task.sleep(for: .milliseconds(1)) }
            if !losses.contains(index) {
                sequence += 1
                event.stamp = Stamp(from: "fuse", sequence: sequence)
                learner.send(try .init(WireMessage(event, on: Topics.moment("a"), payload: payload.map { Payload($0) })))
            }
            for _ in 0..<3 { learner.advance(by: .milliseconds(50)) }
        }
        // The last events may have been lost: nothing tells the learner of them but the journal.
        learner.advance(by: .seconds(1))
        for _ in events { learner.advance(by: .milliseconds(2)) }
        #expect(learner.refusals.isEmpty, "\(learner.refusals)")
        let processor = learner.processor, store = processor.guided.learner.parameters
        return End(
            parameters: store.layout.parameters.map { Array(store[$0.name]) },
            progress: [
                processor.progress.momentsSeen, processor.progress.watermark, processor.progress.position, processor.progress.journal,
            ],
            memory: processor.guided.learner.memory.count)
    }

    @Test(.timeLimit(.minutes(5))) func aKilledLearnerHasTheParametersOfOneThatWasNot() async throws {
        let events = events(36), whole = try await run(events)
        #expect(whole.progress[0] == 36 && whole.progress[2] == UInt64(events.count))
        for kill in stride(from: 1, to: events.count, by: 4) {
            #expect(try await run(events, kills: [kill]) == whole, "killed before event \(kill)")
        }
        var random = RandomSource(seed: 8)
        for _ in 0..<4 {
            let kills = Set((0..<5).map { _ in random.uniform(below: events.count) })
            #expect(try await run(events, kills: kills) == whole, "killed before events \(kills.sorted())")
        }
    }

    @Test(.timeLimit(.minutes(5))) func whatTheQueueLostIsReadFromTheJournal() async throws {
        let events = events(36), whole = try await run(events)
        var random = RandomSource(seed: 9)
        for _ in 0..<4 {
            let losses = Set((0..<12).map { _ in random.uniform(below: events.count) })
            let kills = Set((0..<2).map { _ in random.uniform(below: events.count) })
            #expect(
                try await run(events, kills: kills, losses: losses) == whole, "lost \(losses.sorted()), killed before \(kills.sorted())")
        }
    }

    /// The records that the checkpoint before the newest does not hold are kept.
    @Test func theCheckpointSaysWhichRecordsAreNeeded() async throws {
        let folder = Folder(), settings = settings(folder)
        let moments = try #require(settings.journal.moments), readings = try #require(settings.journal.readings)
        var learner = Harness(try LearnProcessor(settings, clock: VirtualClock()))
        learner.advance(by: .milliseconds(1))
        var released: [UInt64?] = []
        for (index, (event, payload)) in events(9).enumerated() {
            var event = event
            (event.stamp, event.position) = (Stamp(from: "fuse", sequence: UInt64(index + 1)), UInt64(index + 1))
            learner.send(try .init(WireMessage(event, on: Topics.moment("a"), payload: payload.map { Payload($0) })))
            learner.advance(by: .milliseconds(600))
            released.append(JournalReleases.ordinal(by: "learn", in: moments))
        }
        let numbers = released.compactMap(\.self)
        #expect(numbers.first == 0 && numbers == numbers.sorted() && Set(numbers).count > 3)
        #expect(numbers.last ?? 0 < learner.processor.progress.position ?? 0)
        #expect((JournalReleases.ordinal(by: "learn", in: readings) ?? 0) > (numbers.last ?? 0))
    }

    /// Where the journal does not have it either, a gap holds nobody up for ever.
    @Test func whatIsNowhereIsGivenUp() throws {
        let folder = Folder()
        var learner = Harness(try LearnProcessor(settings(folder), clock: VirtualClock()))
        learner.advance(by: .milliseconds(1))
        for (index, (event, payload)) in events(9).enumerated() where index != 3 {
            var event = event
            (event.stamp, event.position) = (Stamp(from: "fuse", sequence: UInt64(index + 1)), UInt64(index + 1))
            learner.send(try .init(WireMessage(event, on: Topics.moment("a"), payload: payload.map { Payload($0) })))
            learner.advance(by: .seconds(4))
        }
        #expect(learner.processor.telemetry.drops[.init(rawValue: "unjournaled")] > 0)
        #expect(learner.processor.progress.momentsSeen > 6)
    }
}
