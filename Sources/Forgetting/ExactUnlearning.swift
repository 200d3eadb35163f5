import Configuration
import Files
import Foundation
import Ingest
import Journal
import Learn
import Messaging
import Moments
import Pipeline
import Safetensors
import Schema
import Statistics
import Wiring

/// Exact unlearning of sources, sessions or persons: writes the journals without their records, and makes the model anew from what is left.
///
/// The graph has stopped. Everything new is written beside the old; then one file says that it counts, and directories change their names.
public struct ExactUnlearning {
    /// What there is to do.
    public struct Plan: Sendable, Equatable {
        /// Records of ingest's journal, and those of what is forgotten; the ordinal of the first of these, 0 where there is none.
        public var records = 0, forgotten = 0
        public var first: UInt64 = 0
        /// The first ordinal that the journal has: what came before is in no replay.
        public var begins: UInt64 = 0
        /// Sessions with something that is forgotten.
        public var sessions: Set<String> = []
        /// The directory of the checkpoint that the model is made from; nil: the model before the first moment.
        public var checkpoint: String?
        /// Moments that the checkpoint has seen.
        public var known: UInt64 = 0
        /// Records that are replayed.
        public var replayed = 0
        /// Damaged places that were passed over.
        public var damaged = 0
    }

    /// What was done.
    public struct Result: Sendable, Equatable {
        public var forgotten = 0
        public var moments = 0
        /// SHA-256 of the parameters.
        public var digest = ""
    }

    let settings: GraphSettings
    let subject: ForgottenSubject
    private let clock: any TimeSource
    private(set) var change: ForgettingChange

    /// - Parameters:
    ///   - settings: of the run.
    ///   - directory: of the run.
    /// - Throws: `ForgettingError` where it cannot be done with these settings.
    public init(_ settings: GraphSettings, directory: String, _ subject: ForgottenSubject, clock: any TimeSource) throws {
        guard let readings = settings.journal.readings, let moments = settings.journal.moments else {
            throw ForgettingError(
                "the run has no journal (journal.directory): nothing says what came of whom; `accrete reset --all` forgets everything")
        }
        guard !settings.decide.isOn else { throw ForgettingError("policies (decide) cannot be made anew from a journal") }
        guard !settings.privacy.learning.enabled else {
            throw ForgettingError(
                "the model learns with noise that no seed repeats (privacy.learning), and what it has released cannot be made anew; "
                    + "`accrete reset --all` begins anew, with what was spent")
        }
        let outside = settings.extracted.filter { settings.signals.isOutside($0) }
        guard outside.isEmpty else {
            throw ForgettingError("\(outside.joined(separator: ", ")): features of a process of your own cannot be made again")
        }
        (self.settings, self.subject, self.clock) = (settings, subject, clock)
        change = ForgettingChange(directory: directory, targets: [readings, moments, settings.learn.directory])
    }

    /// Called before each step of the change. Tests throw from it.
    package var beforeStep: @Sendable () throws -> Void {
        get { change.beforeStep }
        set { change.beforeStep = newValue }
    }

    // MARK: Planning

    /// Reads the journal, and says what there is to do. Nothing is changed.
    /// - Throws: `JournalError`.
    public func plan() throws -> Plan {
        var plan = Plan()
        try eachRecord(of: try DirectoryStorage(change.readings, writes: false), damaged: &plan.damaged) { record, entry, _ in
            plan.records += 1
            if plan.begins == 0 { plan.begins = record.ordinal }
            guard subject.owns(entry) || subject.owns(key: record.key) else { return }
            plan.forgotten += 1
            if plan.first == 0 { plan.first = record.ordinal }
            if let session = entry.session { plan.sessions.insert(session) }
        }
        guard plan.first > 0 else { return plan }
        let directory = settings.learn.directory
        for path in [directory, directory + "/previous"] where plan.checkpoint == nil {
            guard let seen = try CheckpointStore.progress(of: path), seen.isReplayed(settings.learn.stream),
                let reached = seen.reached, reached < plan.first
            else { continue }
            (plan.checkpoint, plan.known) = (path, seen.momentsSeen)
        }
        plan.replayed = plan.records - plan.forgotten
        return plan
    }

    /// Seconds for the replay of a plan, as far as a first part of the journal shows.
    /// - Parameter sample: records that are tried, in memory alone.
    public func estimate(_ plan: Plan, sample: Int = 200) throws -> Double {
        var trial = settings
        (trial.learn.directory, trial.learn.stream) = ("", "")
        var replay = try GraphReplay(trial, closer: "", clock: clock), count = 0, damaged = 0
        let start = clock.now
        try eachRecord(of: try DirectoryStorage(change.readings, writes: false), damaged: &damaged) { record, entry, payload in
            guard count < sample, !subject.owns(entry) else { return }
            count += 1
            replay.take(entry, payload)
        }
        return count == 0 ? 0 : (clock.now - start).inSeconds / Double(count) * Double(plan.replayed)
    }

    private func eachRecord(
        of storage: any JournalStorage, damaged: inout Int, _ body: (JournalRecord, JournalEntry, _ payload: [UInt8]) throws -> Void
    ) throws {
        var reader = JournalReader(storage)
        while let one = try reader.next() {
            guard case .record(let record) = one, let (entry, payload) = try? JournalEntry.read(record.body) else {
                damaged += 1
                continue
            }
            try body(record, entry, payload)
        }
    }

    // MARK: Doing

    /// Forgets.
    /// - Throws: `JournalError`, `FileError`, or the error of a checkpoint; then everything is as it was, or `ForgettingChange.finish`
    ///   completes what was decided.
    public func run(_ plan: Plan) throws -> Result {
        // Nobody else writes meanwhile.
        let (readings, moments) = (
            try DirectoryStorage(change.readings, writes: true), try DirectoryStorage(change.moments, writes: true)
        )
        let lock = try DirectoryLock(settings.learn.directory, name: Supervised.learnerLock)
        defer { _ = lock }
        try change.begin()
        try writeReadings(readings)
        let position = try writeMoments(moments, of: plan.sessions)
        var result = try learnAnew(plan, position: position)
        result.forgotten = plan.forgotten
        try change.commit()
        return result
    }

    /// The readings without what is forgotten: of it only ordinals stay, so that other records keep theirs.
    private func writeReadings(_ source: DirectoryStorage) throws {
        let output = try DirectoryStorage(change.new(change.readings), writes: true)
        try JournalRewriting.copy(source, to: output, keepsMark: { !subject.owns(key: $0) }) { record in
            guard let (entry, payload) = try? JournalEntry.read(record.body) else { return record.emptied(as: .withheld) }
            let isOwned = subject.owns(entry) || subject.owns(key: record.key)
            let left = isOwned ? entry.emptied(without: subject.sessions) : entry.without(subject.sessions)
            var new = record
            new.body = try left.body(payload: isOwned || payload.isEmpty ? nil : Payload(payload))
            if isOwned { new.type = ReadingRecord.withheld.rawValue }
            if subject.owns(key: record.key) { (new.key, new.mark) = ([], []) }
            return new
        }
        try copyReleases(from: change.readings)
    }

    /// The moments and feedback of sessions in which something is forgotten become places. Nobody needs them: the new checkpoint holds what
    /// is left of them.
    /// - Returns: the position of the newest record; nil where there is none.
    private func writeMoments(_ source: DirectoryStorage, of sessions: Set<String>) throws -> UInt64? {
        var newest: UInt64?
        let output = try DirectoryStorage(change.new(change.moments), writes: true)
        try JournalRewriting.copy(source, to: output, keepsMark: { _ in true }) { record in
            newest = max(newest ?? 0, record.ordinal)
            guard var event = try? MomentRecord.event(in: record.body) else { return record.emptied(as: nil) }
            guard let session = event.session, sessions.contains(session) else { return record }
            event.event = .withheld(.with { ($0.ordinal, $0.journal) = (event.momentOrdinal, event.newestRecord) })
            var new = record
            new.body = try MomentRecord.body(event, payload: [])
            return new
        }
        try copyReleases(from: change.moments)
        return newest
    }

    private func copyReleases(from directory: String) throws {
        for reader in ["fuse", "learn"] {
            guard let ordinal = JournalReleases.ordinal(by: reader, in: directory) else { continue }
            try JournalReleases.set(ordinal, by: reader, in: change.new(directory))
        }
    }

    /// Replays the journal that was written, and stores what the learner has become.
    private func learnAnew(_ plan: Plan, position: UInt64?) throws -> Result {
        let directory = change.new(settings.learn.directory)
        try makeDirectory(at: directory)
        if let checkpoint = plan.checkpoint { try CheckpointDirectory(checkpoint).copy(to: directory) }
        var anew = settings
        (anew.learn.directory, anew.learn.checkpointEvery) = (directory, Int(Int32.max))
        let storage = try DirectoryStorage(change.new(change.readings), writes: false)
        var damaged = 0, newest: UInt64 = 0, closer = ""
        try eachRecord(of: storage, damaged: &damaged) { record, entry, _ in
            newest = record.ordinal
            if case .cut(let cut)? = entry.input, cut.kind == .end { closer = cut.stamp.source }
        }
        var replay = try GraphReplay(anew, closer: closer, clock: clock)
        try eachRecord(of: storage, damaged: &damaged) { _, entry, payload in replay.take(entry, payload) }
        let isLive = settings.mode == .live
        try replay.store(position: isLive ? position : nil, journal: isLive ? newest : nil)
        if isLive, settings.fuse.recalledLabels > 0 { try replay.storeLabels(at: "\(directory)/labels.memory") }
        // Numbers that were used are not used again.
        for name in ["versions.reserved", "moments.reserved", "policies.reserved"] {
            guard let bytes = try? readFile("\(settings.learn.directory)/\(name)", atMost: 1 << 16) else { continue }
            try replaceFile(at: "\(directory)/\(name)") { append in try bytes.withUnsafeBytes(append) }
        }
        return Result(moments: replay.moments, digest: replay.learner.parametersDigest)
    }
}

/// Why something cannot be forgotten.
public struct ForgettingError: Error, CustomStringConvertible {
    public let description: String

    init(_ description: String) { self.description = description }
}

extension JournalRecord {
    /// Its place alone.
    fileprivate func emptied(as type: ReadingRecord?) -> JournalRecord {
        JournalRecord(ordinal: ordinal, type: type?.rawValue ?? self.type, body: [])
    }
}

extension JournalEntry {
    /// The place of what is forgotten: its moments of other sessions stay.
    fileprivate func emptied(without sessions: Set<String>) -> JournalEntry {
        var entry = without(sessions)
        entry.withheld = .with { $0.consent = .notStored }
        entry.timeline = 0
        return entry
    }

    fileprivate func without(_ sessions: Set<String>) -> JournalEntry {
        var entry = self
        entry.before.removeAll { sessions.contains($0.session) }
        entry.after.removeAll { sessions.contains($0.session) }
        return entry
    }
}

extension MomentEvent {
    fileprivate var session: String? {
        switch event {
        case .moment(let moment)?: moment.session
        case .feedback(let feedback)?: feedback.session
        case .withheld(let place)?: place.session
        case .decision(let record)?: record.action.session
        case .end, nil: nil
        }
    }

    fileprivate var momentOrdinal: UInt64 {
        switch event {
        case .moment(let moment)?: moment.ordinal
        case .withheld(let place)?: place.ordinal
        default: 0
        }
    }

    fileprivate var newestRecord: UInt64 {
        switch event {
        case .moment(let moment)?: moment.journal
        case .feedback(let feedback)?: feedback.journal
        case .withheld(let place)?: place.journal
        default: 0
        }
    }
}
