import FilesTesting
import Forgetting
import Foundation
import Learning
import Messaging
import Model
import Moments
import Pipeline
import PipelineTesting
import Schema
import Testing
@testable import Configuration
@testable import Evaluate
@testable import Extract
@testable import Fuse
@testable import Ingest
@testable import Journal
@testable import Learn
@testable import Wiring

import struct Statistics.RandomSource

/// What may be done with readings, from ingest to the learner's checkpoint.
struct ConsentTests {
    private let folder = Folder()

    // MARK: Ingest

    private func ingest(_ change: (inout GraphSettings) -> Void = { _ in }, journal: MemoryJournal? = nil) -> Harness<IngestProcessor> {
        var settings = GraphSettings()
        change(&settings)
        return Harness(
            IngestProcessor(IngestSettings(settings), epoch: 1, wallOffset: 0, closer: "", journal: journal), at: Instant(seconds: 1))
    }

    private func reading(
        _ text: String, at seconds: Double, _ consent: Consent = .unspecified, from source: String = "phone", ends: CutKind = .none
    ) throws -> IngestProcessor.Input {
        let message = SensorReading.with {
            $0.stamp = Stamp(from: source, sequence: UInt64(seconds * 10), at: Instant(seconds: seconds))
            ($0.stamp.clock, $0.session, $0.modality, $0.format) = ("own", "kitchen", "text", "text/utf-8")
            ($0.ends, $0.consent) = (ends, consent)
            if ends != .none { $0.answer.stops = [Data("stop at \(text)".utf8)] }
        }
        return try .init(WireMessage(message, on: try Topics.sensor("text", source), payload: [Payload(Array(text.utf8))]))
    }

    private func feedback(_ text: String, _ consent: Consent) throws -> IngestProcessor.Input {
        let message = Feedback.with {
            ($0.stamp, $0.session, $0.moment, $0.text) = (Stamp(from: "phone", sequence: 9), "kitchen", "kitchen/1", text)
            ($0.consent, $0.givenUp) = (consent, "a publisher's own")
        }
        return try .init(WireMessage(message, on: try Topics.feedback("kitchen")))
    }

    private func readings(_ outputs: [IngestProcessor.Output]) -> [SensorReading] {
        outputs.compactMap { output in
            guard case .sample(let sample, _, _) = output, case .reading(let reading)? = sample.content else { return nil }
            return reading
        }
    }

    private func boundaries(_ outputs: [IngestProcessor.Output]) -> [Boundary] {
        outputs.compactMap { output in
            guard case .sample(let sample, let topic, _) = output, case .boundary(let boundary)? = sample.content,
                topic.name == "sample.text/"
            else { return nil }
            return boundary
        }
    }

    @Test func aReadingHasTheClassThatItNamesOrThatOfItsSourceOrOfAll() throws {
        var ingest = ingest {
            $0.privacy.consent = .learnHere
            $0.privacy.sources = [.init(source: "camera", consent: .notStored)]
        }
        var classes: [Consent] = []
        for (consent, source) in [
            (Consent.unspecified, "phone"), (.unspecified, "camera"), (.sessionOnly, "phone"), (.share, "camera"), (.notStored, "phone"),
        ] {
            classes += readings(ingest.send(try reading("hello", at: 1, consent, from: source))).map(\.consent)
        }
        #expect(classes == [.learnHere, .notStored, .sessionOnly, .share, .notStored])
        #expect(ingest.send(try reading("hello", at: 1, .UNRECOGNIZED(9))).isEmpty)
        #expect(ingest.refusals.map(\.reason) == [.wrongConsent])
        guard case .feedback(let passed, _)? = ingest.send(try feedback("a cup", .unspecified)).first else { throw CancellationError() }
        #expect(passed.consent == .learnHere && passed.givenUp.isEmpty)
        let gauges = ingest.processor.telemetry.gauges
        #expect(gauges["consent.notStored"] == 2 && gauges["consent.sessionOnly"] == 1)
        #expect(gauges["consent.learnHere"] == 2 && gauges["consent.share"] == 1)
    }

    @Test func aBoundaryHasTheStrictestClassOfWhatCameForItsMoment() throws {
        var ingest = ingest()
        var found: [Consent] = []
        for (at, consent, ends) in [
            (1.0, Consent.share, CutKind.none), (2, .sessionOnly, .none), (3, .share, .explicit), (4, .share, .explicit),
            (5, .notStored, .none), (6, .learnHere, .explicit), (7, .learnHere, .explicit),
        ] {
            found += boundaries(ingest.send(try reading("x", at: at, consent, ends: ends))).map(\.consent)
        }
        #expect(found == [.sessionOnly, .share, .notStored, .learnHere])
    }

    /// What may not be stored is passed on once, and in the journal is only that it came.
    @Test(arguments: [Consent.notStored, .sessionOnly]) func theJournalHasNoByteOfWhatMayNotBeStored(_ consent: Consent) throws {
        let journal = MemoryJournal()
        var ingest = ingest(journal: journal)
        let secret = "pomegranate"
        _ = ingest.send(try reading("an apple", at: 1, .learnHere))
        _ = ingest.send(try reading(secret, at: 2, consent, ends: .explicit))
        _ = ingest.send(try feedback("a \(secret)", consent))
        #expect(journal.types == [1, 6, 6])
        let found = journal.records.map { Data($0.body).range(of: Data(secret.utf8)) != nil }
        #expect(found == [false, false, false])
        #expect(Data(journal.records[0].body).range(of: Data("an apple".utf8)) != nil)
        journal.makeDurable(.max)
        let outputs = ingest.advance(by: .milliseconds(1))
        #expect(readings(outputs).map(\.consent) == [.learnHere, consent])
        let texts = outputs.compactMap { output -> String? in
            guard case .sample(_, _, let payload) = output, let bytes = payload.first else { return nil }
            return bytes.withUnsafeBytes { String(decoding: $0, as: UTF8.self) }
        }
        #expect(texts == ["an apple", secret])
    }

    // MARK: Learning

    private func settings(local: Bool = false, in directory: String = "") -> GraphSettings {
        var settings = GraphSettings()
        (settings.model.width, settings.model.heads, settings.model.layers) = (8, 2, 1)
        (settings.model.text.length, settings.model.text.buckets, settings.model.classes) = (8, 16, 4)
        (settings.learner.replayed, settings.learner.languageRows) = (2, 1)
        settings.mode = .lockstep
        (settings.learn.publishEvery, settings.learn.labelPatience, settings.learn.checkpointEvery) = (4, 6, 8)
        (settings.learn.directory, settings.learn.stream, settings.learn.run) = (directory, "one", "first")
        settings.learn.gate.enabled = true
        settings.privacy.local = local
        settings.personal.enabled = true
        (settings.personal.support, settings.personal.query, settings.personal.proof) = (2, 1, 0)
        return settings
    }

    private struct Event {
        var consent: Consent
        var token: Float
        var label: UInt32
        var feedback: Consent
        var correction: String
        var session: String
    }

    /// Moments with labels and corrections, of all classes; `contents` draws what withheld ones hold.
    private func stream(_ seed: UInt64, below learned: ConsentClass, contents: UInt64) -> [Event] {
        var random = RandomSource(seed: seed), others = RandomSource(seed: contents)
        let classes: [Consent] = [.notStored, .sessionOnly, .learnHere, .share, .share, .share]
        func isWithheld(_ consent: Consent) -> Bool { ConsentClass(consent).map { $0 < learned } ?? false }
        return (1...60).map { _ in
            var event = Event(
                consent: classes[random.uniform(below: 6)], token: Float(97 + random.uniform(below: 4)),
                label: UInt32(random.uniform(below: 4)), feedback: classes[random.uniform(below: 6)],
                correction: random.uniform(below: 3) == 0 ? "it is \(random.uniform(below: 9))" : "",
                session: ["a", "b"][random.uniform(below: 2)])
            if isWithheld(event.consent) { event.token = Float(97 + others.uniform(below: 4)) }
            if isWithheld(event.consent) || isWithheld(event.feedback) {
                event.label = UInt32(others.uniform(below: 4))
                event.correction = others.uniform(below: 2) == 0 ? "it is secret \(others.uniform(below: 1000))" : ""
            }
            return event
        }
    }

    private func inputs(_ events: [Event]) throws -> [LearnProcessor.Input] {
        var inputs: [LearnProcessor.Input] = [], sequence: UInt64 = 0
        func send(_ session: String, _ payload: [Payload], _ event: (inout MomentEvent) -> Void) throws {
            sequence += 1
            var message = MomentEvent.with { $0.stamp = Stamp(from: "fuse", sequence: sequence) }
            event(&message)
            inputs.append(try .init(WireMessage(message, on: try Topics.moment(session), payload: payload)))
        }
        for (index, one) in events.enumerated() {
            let ordinal = UInt64(index + 1)
            try send(one.session, [Payload([one.token, 104])]) {
                $0.moment = .with {
                    ($0.ordinal, $0.session, $0.id, $0.end) = (ordinal, one.session, "\(one.session)/\(ordinal)", Int64(ordinal))
                    ($0.kind, $0.consent) = (.labelRequest, one.consent)
                    $0.senses = [
                        .with { ($0.modality, $0.present, $0.rows, $0.columns, $0.validity) = ("text", true, 2, 1, 1) }
                    ]
                }
            }
            guard index >= 2 else { continue }
            let cited = events[index - 2], moment = "\(cited.session)/\(ordinal - 2)"
            try send(cited.session, []) {
                $0.feedback = .with {
                    ($0.session, $0.moment, $0.label, $0.classes) = (cited.session, moment, cited.label, 4)
                    ($0.text, $0.consent) = (cited.correction, cited.feedback)
                }
            }
        }
        try send("_end", []) { $0.end = .with { $0.moments = UInt64(events.count) } }
        return inputs
    }

    /// What a learner publishes to all and keeps: digests of the models, memories, and the files of its checkpoint.
    private func outcome(_ events: [Event], _ settings: GraphSettings) throws -> (
        published: [AnyHashable], files: [String: Data], own: [Data]
    ) {
        var learner = Harness(try LearnProcessor(settings, clock: VirtualClock())), published: [AnyHashable] = [], own: [Data] = []
        for input in try inputs(events) {
            for output in learner.send(input) {
                switch output.message {
                case let update as ModelUpdate: published.append(update.sha256)
                case var update as MemoryUpdate:
                    update.clearStamp()
                    published.append(update)
                case let verdict as Schema.Verdict: published.append(verdict)
                case let update as SessionUpdate: own.append(update.sha256)
                default: break
                }
            }
        }
        #expect(learner.refusals.isEmpty)
        var files: [String: Data] = [:]
        let names = try FileManager.default.contentsOfDirectory(atPath: settings.learn.directory)
        for name in names where name != "previous" {
            files[name] = FileManager.default.contents(atPath: "\(settings.learn.directory)/\(name)")
        }
        return (published, files, own)
    }

    /// Whatever withheld moments, labels and corrections hold, published models, memories and the checkpoint are the same, to the bit.
    @Test(arguments: 1...6 as ClosedRange<UInt64>) func whatMayNotBeSharedMovesNoPublishedUpdate(_ seed: UInt64) throws {
        let first = try outcome(stream(seed, below: .share, contents: 100), settings(in: folder.path("first")))
        let second = try outcome(stream(seed, below: .share, contents: 200), settings(in: folder.path("second")))
        #expect(first.published == second.published && first.published.count > 15, "seed \(seed)")
        #expect(first.files == second.files && first.files.count > 4, "seed \(seed)")
        #expect(first.own != second.own, "the sessions' own adapters learn from some of it: seed \(seed)")
        #expect(first.files.values.allSatisfy { $0.range(of: Data("secret".utf8)) == nil }, "seed \(seed)")
        // What may be shared does move it.
        var changed = stream(seed, below: .share, contents: 100)
        let index = try #require(changed.lastIndex { $0.consent == .share })
        changed[index].token = changed[index].token == 97 ? 98 : 97
        #expect(try outcome(changed, settings(in: folder.path("third"))).published != first.published, "seed \(seed)")
    }

    /// Where the model learns from what stays here, its updates say so, and what is stricter moves nothing.
    @Test func aLocalModelSaysThatItIsOne() throws {
        let local = settings(local: true, in: folder.path("local")), events = stream(3, below: .learnHere, contents: 1)
        let first = try outcome(events, local)
        let second = try outcome(stream(3, below: .learnHere, contents: 2), settings(local: true, in: folder.path("again")))
        #expect(first.published == second.published && first.files == second.files)
        var changed = events
        let index = try #require(changed.lastIndex { $0.consent == .learnHere })
        changed[index].token = changed[index].token == 97 ? 98 : 97
        #expect(try outcome(changed, settings(local: true, in: folder.path("changed"))).published != first.published)

        var learner = Harness(try LearnProcessor(settings(local: true), clock: VirtualClock())), marks: [Bool] = []
        for input in try inputs(events) { marks += learner.send(input).compactMap { ($0.message as? ModelUpdate)?.local } }
        #expect(marks.first == false && marks.last == true, "\(marks)")
        // Such a model is not gone on with where its updates may leave the machine.
        #expect(throws: CheckpointMismatch.self) { try LearnProcessor(settings(in: folder.path("local")), clock: VirtualClock()) }
    }

    @Test func theLearnersEndpointsStayHereWhereTheModelLearnsFromWhatDoes() {
        var settings = GraphSettings()
        settings.privacy.local = true
        settings.security.keys = "keys"
        #expect(settings.problems.allSatisfy { $0.key != "privacy.local" })
        settings.endpoints.learn.append("tcp://192.0.2.7:7402")
        #expect(settings.problems.contains { $0.key == "privacy.local" })
        settings.privacy.local = false
        #expect(settings.problems.allSatisfy { $0.key != "privacy.local" })
    }

    /// A session's adapters that learned from its own moments are not sent where others can hear them.
    @Test func sessionsOwnMomentsAreNotLearnedWhereAdaptersLeaveTheMachine() throws {
        var away = settings(in: folder.path("away"))
        away.endpoints.learn = ["tcp://192.0.2.7:7402"]
        let first = try outcome(stream(2, below: .share, contents: 1), away)
        away.learn.directory = folder.path("away-again")
        let second = try outcome(stream(2, below: .share, contents: 2), away)
        #expect(first.own == second.own && !first.own.isEmpty)
        #expect(first.published == second.published)
    }

    // MARK: Evaluation

    @Test func theEvaluatorPassesOverWhatMayNotBeKept() throws {
        var evaluator = Harness(try EvaluateProcessor(settings())), outputs: [Outgoing] = []
        let model = try OnlineLearner(MultimodalModel(settings().model), settings().learner, seed: 1)
        let parameters = PublishedParameters(model.parameters)
        let update = ModelUpdate.with {
            ($0.stamp, $0.sha256, $0.last) = (Stamp(from: "learn", sequence: 1), parameters.digest, true)
        }
        outputs += evaluator.send(try .init(WireMessage(update, on: Topics.modelUpdate.only, payload: [parameters.payload])))
        let classes: [Consent] = [.share, .notStored, .learnHere, .sessionOnly]
        for (index, consent) in classes.enumerated() {
            let ordinal = UInt64(index + 1)
            let moment = MomentEvent.with {
                $0.stamp = Stamp(from: "fuse", sequence: 2 * ordinal)
                $0.moment = .with {
                    ($0.ordinal, $0.session, $0.id, $0.kind, $0.consent) = (ordinal, "a", "a/\(ordinal)", .labelRequest, consent)
                    $0.senses = [.with { ($0.modality, $0.present, $0.rows, $0.columns, $0.validity) = ("text", true, 2, 1, 1) }]
                }
            }
            let label = MomentEvent.with {
                $0.stamp = Stamp(from: "fuse", sequence: 2 * ordinal + 1)
                $0.feedback = .with { ($0.session, $0.moment, $0.label, $0.classes) = ("a", "a/\(ordinal)", 1, 4) }
            }
            outputs += evaluator.send(try .init(WireMessage(moment, on: try Topics.moment("a"), payload: [Payload([97, 98] as [Float])])))
            outputs += evaluator.send(try .init(WireMessage(label, on: try Topics.moment("a"))))
        }
        #expect(outputs.compactMap { ($0.message as? EvaluationProgress)?.ordinal } == [1, 2, 3, 4])
        #expect(evaluator.refusals.isEmpty && evaluator.processor.telemetry.drops.total == 0, "\(evaluator.processor.telemetry.drops)")
        #expect(evaluator.processor.telemetry.drops[.orphanLabel] == 0)
        outputs += evaluator.send(
            try .init(
                WireMessage(
                    MomentEvent.with { ($0.stamp, $0.end) = (Stamp(from: "fuse", sequence: 99), .init()) }, on: try Topics.moment("_end"))))
        #expect(outputs.compactMap { ($0.message as? EvaluationSummary)?.moments }.last == 2)
    }

    // MARK: Words

    @Test func wordsHaveTheStrictestClassOfTheirSounds() {
        var sounds = SoundConsents()
        for (second, consent) in [(1, Consent.notStored), (2, .share), (3, .sessionOnly), (4, .share), (5, .share)] {
            sounds.note(consent, at: Int64(second) * 1_000_000_000)
        }
        #expect(sounds.strictest(since: 4_500_000_000) == .share)
        #expect(sounds.strictest(since: 3_900_000_000) == .sessionOnly)
        #expect(sounds.strictest(since: 2_500_000_000) == .sessionOnly)
        #expect(sounds.strictest(since: 500_000_000) == .notStored)
        // However many come, the strictest is not lost before its time.
        for index in 0..<3_000 { sounds.note(.share, at: 5_000_000_000 + Int64(index)) }
        #expect(sounds.strictest(since: 500_000_000) == .notStored && sounds.strictest(since: 5_000_002_999) == .share)
        sounds.note(.share, at: 90_000_000_000)
        #expect(sounds.strictest(since: 500_000_000) == .share)
    }

    @Test func theStrictestIsNeverMilderThanAnyPart() {
        let classes: [Consent] = [.unspecified, .notStored, .sessionOnly, .learnHere, .share, .UNRECOGNIZED(77)]
        var random = RandomSource(seed: 4)
        for _ in 0..<500 {
            let parts = (0...random.uniform(below: 5)).map { _ in classes[random.uniform(below: 6)] }
            let strictest = ConsentClass(.strictest(parts))
            let named = parts.compactMap { ConsentClass($0) }
            #expect(strictest == named.min() && named.allSatisfy { strictest! <= $0 })
            #expect(parts.reduce(Consent.unspecified) { $0.orStricter($1) } == Consent.strictest(parts))
        }
        #expect(ConsentClass(.UNRECOGNIZED(77)) == .notStored && Consent(named: "unheard-of") == .notStored)
        #expect(ConsentClass.allCases.sorted() == [.notStored, .sessionOnly, .learnHere, .share])
    }
}
