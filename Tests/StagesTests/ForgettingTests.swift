import FilesTesting
import Forgetting
import Foundation
import Ingest
import Messaging
import Model
import Pipeline
import PipelineTesting
import Schema
import Synchronization
import Testing
import Timing
@testable import Configuration
@testable import Journal
@testable import Learn

import struct Statistics.RandomSource

/// What is forgotten: a run that forgot has the parameters, to the bit, of one that never saw it.
struct ForgettingTests {
    private let folder = Folder()

    /// Something that publishers send.
    private struct Sent {
        var entry: JournalEntry
        var payload: [UInt8] = []
    }

    private func settings(in name: String, checkpointEvery: Int = 1_000, mode: Mode = .lockstep) -> GraphSettings {
        var settings = GraphSettings()
        (settings.model.width, settings.model.heads, settings.model.layers) = (8, 2, 1)
        (settings.model.text.length, settings.model.text.buckets, settings.model.classes) = (8, 16, 4)
        settings.model.senses = [.init(name: "vector", rows: 2, columns: 16, embedding: 4, hidden: 8)]
        (settings.learner.replayed, settings.learner.languageRows, settings.learner.memory) = (2, 1, 16)
        settings.mode = mode
        (settings.learn.publishEvery, settings.learn.labelPatience, settings.learn.checkpointEvery) = (4, 4, checkpointEvery)
        (settings.learn.stream, settings.learn.run) = (mode == .lockstep ? "stream" : "", mode == .lockstep ? "run" : "")
        (settings.learn.directory, settings.journal.directory) = (folder.path("\(name)/checkpoint"), folder.path("\(name)/journal"))
        (settings.journal.segmentBytes, settings.journal.bytes) = (1 << 16, 1 << 30)
        settings.learn.gate.enabled = true
        settings.learn.rememberedTokens = 256
        settings.fuse.alignment = [AlignmentRule(modality: "vector")]
        settings.fuse.alignment[0].hold = 30
        return settings
    }

    /// A stream of words and vectors of two devices each in three sessions, with labels and corrections.
    /// - Parameter late: nothing of the session `c` or the device `d1` comes before this moment.
    private func stream(_ seed: UInt64, moments: Int = 40, late: Int = 0) -> [Sent] {
        var random = RandomSource(seed: seed), sent: [Sent] = [], sequences: [String: UInt64] = [:]
        func stamp(_ source: String, _ time: Int64) -> Stamp {
            sequences[source, default: 0] += 1
            var stamp = Stamp(from: source, sequence: sequences[source] ?? 0, at: Instant(nanoseconds: time))
            stamp.clock = "session"
            return stamp
        }
        for moment in 1...moments {
            let session = moment < late ? ["a", "b"][random.uniform(below: 2)] : ["a", "b", "c"][random.uniform(below: 3)]
            let end = Int64(moment) * 1_000_000_000
            for part in 0..<(1 + random.uniform(below: 3)) {
                let device = moment < late ? "d0" : "d\(random.uniform(below: 2))"
                let isText = random.uniform(below: 2) == 0
                let reading = SensorReading.with {
                    $0.stamp = stamp("\(device)-\(isText ? "text" : "vector")", end - Int64(4 - part) * 100_000_000)
                    ($0.session, $0.modality, $0.format) = (session, isText ? "text" : "vector", isText ? "text/utf-8" : "vector/f32le")
                    $0.consent = .share
                }
                let word = ["red", "green", "cup", "key"][random.uniform(below: 4)]
                let number = Float(random.uniform(below: 100)) / 100
                let bytes = isText ? Array("device-\(device) \(word)".utf8) : withUnsafeBytes(of: number) { Array($0) }
                sent.append(Sent(entry: .with { ($0.reading, $0.arrived) = (reading, end) }, payload: bytes))
            }
            let cut = Cut.with { ($0.stamp, $0.session, $0.kind) = (stamp("desk", end), session, .labelRequest) }
            sent.append(Sent(entry: .with { ($0.cut, $0.arrived) = (cut, end) }))
            guard random.uniform(below: 4) > 0 else { continue }
            let feedback = Feedback.with {
                ($0.stamp, $0.session, $0.momentEnd) = (
                    stamp(moment < late ? "d0-label" : "d\(random.uniform(below: 2))-label", end), session, end
                )
                ($0.label, $0.classes, $0.consent) = (UInt32(random.uniform(below: 4)), 4, .share)
                if random.uniform(below: 3) == 0 { $0.text = "it is \(random.uniform(below: 9)) in session-\(session)" }
            }
            sent.append(Sent(entry: .with { ($0.feedback, $0.arrived) = (feedback, end) }))
        }
        let end = Cut.with { ($0.stamp, $0.kind) = (stamp("desk", Int64(moments + 1) * 1_000_000_000), .end) }
        sent.append(Sent(entry: .with { $0.cut = end }))
        return sent
    }

    private func isOf(_ entry: JournalEntry, sources: Set<String>, sessions: Set<String>) -> Bool {
        switch entry.input {
        case .reading(let reading)?: sources.contains(reading.stamp.source) || sessions.contains(reading.session)
        case .cut(let cut)?: sources.contains(cut.stamp.source) || sessions.contains(cut.session)
        case .feedback(let feedback)?: sources.contains(feedback.stamp.source) || sessions.contains(feedback.session)
        default: false
        }
    }

    /// Runs a graph over a stream, with a journal, to its end.
    /// - Returns: the SHA-256 of the parameters.
    private func run(_ sent: [Sent], _ settings: GraphSettings) throws -> String {
        let directory = try #require(settings.journal.readings)
        let journal = try Journal(DirectoryStorage(directory, writes: true), settings.journal.bounds, now: { 0 })
        _ = try DirectoryStorage(try #require(settings.journal.moments), writes: true)
        var replay = try GraphReplay(settings, closer: "desk", clock: VirtualClock(), journal: journal)
        for one in sent { replay.take(one.entry, one.payload) }
        journal.close()
        #expect(replay.moments > 10 && replay.refused.total < 40, "\(replay.refused)")
        return replay.learner.parametersDigest
    }

    /// The parameters of the checkpoint of a directory.
    private func stored(_ settings: GraphSettings) throws -> String {
        try LearnProcessor(settings, clock: VirtualClock()).parametersDigest
    }

    /// Whether any file of a directory holds these bytes.
    private func holds(_ text: String, _ directory: String) throws -> Bool {
        for name in FileManager.default.enumerator(atPath: directory)?.compactMap({ $0 as? String }) ?? [] {
            guard let data = FileManager.default.contents(atPath: "\(directory)/\(name)") else { continue }
            if data.range(of: Data(text.utf8)) != nil { return true }
        }
        return false
    }

    private static let subjects: [(sources: Set<String>, sessions: Set<String>)] = [
        ([], ["c"]), (["d1-text", "d1-vector", "d1-label"], []), (["d1-text"], []), (["d1-vector", "d1-label"], ["c"]),
    ]

    @Test(arguments: 1...4 as ClosedRange<UInt64>, 0..<4)
    func aRunThatForgotHasTheParametersOfOneThatNeverSaw(_ seed: UInt64, _ index: Int) throws {
        let (sources, sessions) = Self.subjects[index], what = "seed \(seed), \(sources.sorted()) \(sessions)"
        let full = settings(in: "full"), sent = stream(seed)
        let before = try run(sent, full)
        let without = sent.filter { !isOf($0.entry, sources: sources, sessions: sessions) }
        let never = try run(without, settings(in: "never"))
        #expect(before != never && without.count < sent.count, "\(what)")

        let subject = ForgottenSubject(sources: sources, sessions: sessions)
        let forgetting = try ExactUnlearning(full, directory: folder.path("full"), subject, clock: VirtualClock())
        let plan = try forgetting.plan()
        #expect(plan.forgotten == sent.count - without.count && plan.replayed == without.count, "\(what)")
        #expect(try stored(full) == before && forgetting.plan() == plan, "a plan changes nothing")
        let result = try forgetting.run(plan)
        #expect(result.digest == never, "\(what)")
        #expect(try stored(full) == never, "\(what)")
        // Nothing of it is left, and there is nothing more to forget.
        #expect(try forgetting.plan().forgotten == 0)
        if !sources.isEmpty { #expect(try !holds(sources.sorted()[0], folder.path("full/journal")), "\(what)") }
        if sources.contains("d1-text") { #expect(try !holds("device-d1", folder.path("full")), "\(what)") }
        if sessions.contains("c") { #expect(try !holds("session-c", folder.path("full")), "\(what)") }
        #expect(try ForgettingChange(of: folder.path("full"))?.state == .done)
        let left =
            try FileManager.default.contentsOfDirectory(atPath: folder.path("full"))
            + FileManager.default.contentsOfDirectory(atPath: folder.path("full/journal"))
        #expect(left.allSatisfy { !$0.hasSuffix(".new") && !$0.hasSuffix(".old") }, "\(left)")
    }

    /// From a checkpoint before it came, the same comes out as from the beginning.
    @Test(arguments: 1...4 as ClosedRange<UInt64>) func aCheckpointBeforeItCameIsGoneOnWith(_ seed: UInt64) throws {
        let full = settings(in: "full", checkpointEvery: 24), sent = stream(seed, moments: 40, late: 30)
        _ = try run(sent, full)
        let without = sent.filter { !isOf($0.entry, sources: [], sessions: ["c"]) }
        let never = try run(without, settings(in: "never"))
        let forgetting = try ExactUnlearning(
            full, directory: folder.path("full"), ForgottenSubject(sessions: ["c"]), clock: VirtualClock())
        let plan = try forgetting.plan()
        #expect(plan.forgotten > 0 && plan.checkpoint != nil && plan.known >= 12 && plan.known < 30, "seed \(seed): \(plan)")
        #expect(try forgetting.run(plan).digest == never, "seed \(seed)")
        #expect(try stored(full) == never, "seed \(seed)")
    }

    /// Killed at any step, it leaves the old or the new; who comes next completes that, and it can be done again.
    @Test func killedAnywhereItLeavesTheOldOrTheNew() throws {
        let sent = stream(5, moments: 24), without = sent.filter { !isOf($0.entry, sources: [], sessions: ["c"]) }
        let never = try run(without, settings(in: "never"))
        let original = settings(in: "original"), before = try run(sent, original)
        var outcomes: [String] = [], step = 0, isOver = false
        while !isOver {
            step += 1
            let copy = settings(in: "copy-\(step)")
            try FileManager.default.copyItem(atPath: folder.path("original"), toPath: folder.path("copy-\(step)"))
            var forgetting = try ExactUnlearning(
                copy, directory: folder.path("copy-\(step)"), ForgottenSubject(sessions: ["c"]), clock: VirtualClock())
            let steps = StepCounter(until: step)
            forgetting.beforeStep = { try steps.take() }
            do {
                _ = try forgetting.run(try forgetting.plan())
                isOver = true
            } catch is StepCounter.Killed {}
            let state = try ForgettingChange(of: folder.path("copy-\(step)"))?.state
            try ForgettingChange(of: folder.path("copy-\(step)"))?.finish()
            let digest = try stored(copy)
            #expect(digest == (state == .written || state == .done ? never : before), "step \(step): \(String(describing: state))")
            outcomes.append(digest)
            // The journal belongs to it.
            let again = try ExactUnlearning(
                copy, directory: folder.path("copy-\(step)"), ForgottenSubject(sessions: ["c"]), clock: VirtualClock())
            #expect(try (again.plan().forgotten == 0) == (digest == never), "step \(step)")
            if digest != never { #expect(try again.run(try again.plan()).digest == never, "step \(step)") }
            #expect(try stored(copy) == never, "step \(step)")
        }
        #expect(outcomes.contains(before) && outcomes.contains(never) && step > 8, "\(step) steps")
    }

    @Test func aPersonIsHerSourcesAndSessions() throws {
        var settings = settings(in: "person")
        settings.privacy.persons = [.init(person: "ada", sources: ["d1-text"], sessions: ["c"])]
        let subject = try #require(ForgottenSubject(person: "ada", settings.privacy))
        #expect(subject == ForgottenSubject(sources: ["d1-text"], sessions: ["c"]))
        #expect(subject.sources == ["d1-text", "d1-text-words"], "what was heard of a source is its own")
        #expect(ForgottenSubject(person: "grace", settings.privacy) == nil)
    }

    @Test func whatCannotBeMadeAnewIsRefused() throws {
        var none = settings(in: "none")
        none.journal.directory = ""
        #expect(throws: ForgettingError.self) {
            try ExactUnlearning(none, directory: folder.path("none"), ForgottenSubject(sessions: ["c"]), clock: VirtualClock())
        }
    }

    /// A live learner goes on after the places that are in its journal.
    @Test func aLiveLearnerGoesOnWithWhatWasMadeAnew() throws {
        let recorded = settings(in: "live"), sent = stream(6)
        _ = try run(sent.dropLast(), recorded)
        var live = settings(in: "live", mode: .live)
        live.learn.labelPatience = 4
        try FileManager.default.removeItem(atPath: live.learn.directory)
        let forgetting = try ExactUnlearning(live, directory: folder.path("live"), ForgottenSubject(sessions: ["c"]), clock: VirtualClock())
        let result = try forgetting.run(try forgetting.plan())
        let learner = try LearnProcessor(live, clock: VirtualClock())
        #expect(learner.parametersDigest == result.digest && result.moments > 10)
        #expect(learner.progress.journal == UInt64(sent.count - 1) && !learner.progress.isFinished)
    }
}

/// Throws at a step, as a process that is killed there ends.
private final class StepCounter: Sendable {
    struct Killed: Error {}

    private let left: Mutex<Int>

    init(until step: Int) { left = Mutex(step) }

    func take() throws {
        let isOver = left.withLock { left in
            left -= 1
            return left == 0
        }
        if isOver { throw Killed() }
    }
}
