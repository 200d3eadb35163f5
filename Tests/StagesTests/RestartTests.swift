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
@testable import Fuse
@testable import Learn

/// Ordinals and versions continue and are never used twice, whichever stage was killed.
struct RestartTests {
    private let folder = Folder()

    private func settings(in directory: String, strategy: String = "never") -> GraphSettings {
        var settings = GraphSettings()
        (settings.model.width, settings.model.heads, settings.model.layers) = (8, 2, 1)
        (settings.model.text.length, settings.model.text.buckets, settings.model.classes) = (8, 16, 4)
        settings.model.senses = [.init(name: "vector", rows: 1, columns: 2, embedding: 4, hidden: 8)]
        (settings.learner.replayed, settings.learner.languageRows, settings.learner.strategy) = (1, 1, strategy)
        settings.mode = .live
        (settings.fuse.sourceTimeout, settings.fuse.lateness) = (0, 0)
        (settings.learn.publishEvery, settings.learn.directory, settings.learn.maximumLatency) = (4, directory, 86_400)
        return settings
    }

    private func fuse(_ settings: GraphSettings) throws -> Harness<FuseProcessor> {
        Harness(try FuseProcessor(settings, clock: VirtualClock()))
    }
    private func learner(_ settings: GraphSettings) throws -> Harness<LearnProcessor> {
        Harness(try LearnProcessor(settings, clock: VirtualClock()))
    }

    /// Fuse's messages for one word.
    private func word(_ number: UInt64, _ fuse: inout Harness<FuseProcessor>) throws -> [Outgoing] {
        let end = Int64(number) * 1_000_000_000
        let frame = FeatureFrame.with {
            $0.stamp = Stamp(from: "text", sequence: 2 * number)
            $0.frame = .with {
                ($0.session, $0.source, $0.modality, $0.time, $0.sequence) = ("a", "words", "text", end, number)
                ($0.rows, $0.columns, $0.validity) = (1, 1, 1)
            }
        }
        let boundary = FeatureFrame.with {
            $0.stamp = Stamp(from: "text", sequence: 2 * number + 1)
            $0.boundary = .with { ($0.ordinal, $0.epoch, $0.session, $0.end, $0.kind) = (number, 1, "a", end, .explicit) }
        }
        let topic = try Topics.feature("text")
        return fuse.send(try .init(WireMessage(frame, on: topic, payload: [Payload([104] as [Float])])))
            + fuse.send(try .init(WireMessage(boundary, on: topic)))
            + fuse.send(try .init(WireMessage(boundary, on: Topics.feature("vector"))))
    }

    /// Passes fuse's messages to the learner; returns the ordinals of the moments.
    private func pass(_ outputs: [Outgoing], to learner: inout Harness<LearnProcessor>, epoch: UInt64) throws -> [UInt64] {
        var ordinals: [UInt64] = []
        for one in outputs {
            guard var event = one.message as? MomentEvent else { continue }
            event.stamp = Stamp(from: "fuse", sequence: 1, epoch: epoch)
            ordinals.append(event.moment.ordinal)
            learner.send(try .init(WireMessage(event, on: Topics.moment("a"), payload: one.payload)))
        }
        return ordinals
    }

    private func adopt(_ update: Outgoing, by fuse: inout Harness<FuseProcessor>) throws {
        var message = try #require(update.message as? ModelUpdate)
        message.stamp = Stamp(from: "learn", sequence: 1)
        fuse.send(try .init(WireMessage(message, on: Topics.modelUpdate.only, payload: update.payload)))
    }

    @Test func ordinalsContinueAfterFuseWasKilledWithoutANewUpdate() throws {
        let settings = settings(in: folder.path("run"))
        var learner = try learner(settings), first = try fuse(settings), ordinals: [UInt64] = []
        let start = try #require(learner.advance(by: .milliseconds(1)).first)
        try adopt(start, by: &first)
        for number in 1...20 as ClosedRange<UInt64> { ordinals += try pass(word(number, &first), to: &learner, epoch: 1) }
        #expect(ordinals == Array(1...20))
        var second = try fuse(settings)  // killed: no orderly end
        try adopt(start, by: &second)  // the message kept for late subscribers
        for number in 21...40 as ClosedRange<UInt64> { ordinals += try pass(word(number, &second), to: &learner, epoch: 2) }
        #expect(ordinals.count == 40 && ordinals == ordinals.sorted() && Set(ordinals).count == 40, "\(ordinals)")
        #expect(learner.refusals.isEmpty)
    }

    @Test func anOrderlyEndLeavesNoGapInTheNumbersOfMoments() throws {
        let settings = settings(in: folder.path("run"))
        var first = try fuse(settings)
        for number in 1...3 as ClosedRange<UInt64> { _ = try word(number, &first) }
        first.finish()
        var second = try fuse(settings)
        #expect(try word(4, &second).compactMap { ($0.message as? MomentEvent)?.moment.ordinal } == [4])
    }

    /// Without a directory, the learner publishes its position as soon as it has refused a moment.
    @Test func aFuseWithoutReservedNumbersReceivesTheLearnersPosition() throws {
        let settings = settings(in: "")
        var learner = try learner(settings), first = try fuse(settings)
        let start = try #require(learner.advance(by: .milliseconds(1)).first)
        for number in 1...20 as ClosedRange<UInt64> { _ = try pass(word(number, &first), to: &learner, epoch: 1) }
        var second = try fuse(settings)
        try adopt(start, by: &second)
        _ = try pass(word(21, &second), to: &learner, epoch: 2)
        #expect(learner.refusals.map(\.reason) == [.sequenceRunsBack])
        let update = try #require(learner.advance(by: .seconds(2)).first)
        try adopt(update, by: &second)
        #expect(try pass(word(22, &second), to: &learner, epoch: 2) == [21] && learner.refusals.count == 1)
    }

    @Test func aVersionIsNeverPublishedTwiceWithOtherContent() throws {
        let settings = settings(in: folder.path("run"), strategy: "er")
        var content: [UInt64: Data] = [:]
        func run(_ words: ClosedRange<UInt64>, orderly: Bool) throws {
            var learner = try learner(settings), fuse = try fuse(settings), outputs = learner.advance(by: .milliseconds(1))
            for number in words {
                for one in try word(number, &fuse) {
                    guard var event = one.message as? MomentEvent else { continue }
                    event.stamp = Stamp(from: "fuse", sequence: number)
                    outputs += learner.send(try .init(WireMessage(event, on: Topics.moment("a"), payload: one.payload)))
                }
                // a checkpoint, and what was learned since the last update
                if number % 10 == 5 { outputs += learner.advance(by: .seconds(31)) }
            }
            if orderly { learner.finish() }
            #expect(learner.refusals.isEmpty)
            for update in outputs.compactMap({ $0.message as? ModelUpdate }) {
                #expect(
                    content.updateValue(update.sha256, forKey: update.version).map { $0 == update.sha256 } ?? true,
                    "version \(update.version)")
            }
        }
        try run(1...28, orderly: false)
        try run(1...28, orderly: false)
        try run(1...28, orderly: true)
        try run(1...28, orderly: false)
        #expect(content.count > 25)
    }

    @Test func anotherStreamStartsAfterTheVersionsOfAKilledOne() throws {
        let directory = folder.path("run")
        func versions(_ stream: String, _ moments: Int) throws -> [UInt64] {
            var settings = settings(in: directory, strategy: "er")
            (settings.mode, settings.learn.stream, settings.learn.run, settings.learn.checkpointEvery) = (.lockstep, stream, "1", 1000)
            var learner = try learner(settings), outputs = learner.advance(by: .milliseconds(1))
            for ordinal in 1...UInt64(moments) {
                let event = MomentEvent.with {
                    $0.stamp = Stamp(from: "fuse", sequence: ordinal)
                    $0.moment = .with {
                        ($0.ordinal, $0.session, $0.id) = (ordinal, "a", "a/\(ordinal)")
                        $0.senses = [
                            .with {
                                $0.modality = "text"; $0.present = true; $0.rows = 1; $0.columns = 1; $0.validity = 1
                            }
                        ]
                    }
                }
                outputs += learner.send(try .init(WireMessage(event, on: Topics.moment("a"), payload: [Payload([104] as [Float])])))
            }
            return outputs.compactMap { ($0.message as? ModelUpdate)?.version }
        }
        let first = try versions("one", 21), again = try versions("one", 21), other = try versions("two", 21)
        #expect(first == again, "the same stream begins again and gives the same versions")
        #expect(Set(first).isDisjoint(with: other), "\(first), \(other)")
    }

    @Test func aDamagedFileOfReservedNumbersIsIgnored() throws {
        for text in ["", "x", "-1", "99999999999999999999999", "18446744073709551615", "7"] {
            try FileManager.default.createDirectory(atPath: folder.path("d"), withIntermediateDirectories: true)
            try text.write(toFile: folder.path("d/n"), atomically: true, encoding: .utf8)
            #expect(ReservedNumbers(directory: folder.path("d"), name: "n").reserved == (text == "7" ? 7 : 0), "'\(text)'")
        }
    }
}
