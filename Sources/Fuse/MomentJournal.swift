import Files
import Journal
import Messaging
import Moments
import Pipeline
import Schema

/// Fuse's journal of the events that it publishes. The learner reads there what it has missed: a moment is in exactly one record, and the
/// records are in the order of the stream.
///
/// An event is published when it is on disk, so that none is learned from that a fuse which starts again would make once more; predictions
/// do not wait. One that the journal has no room for is published without a position, and whoever misses it has lost it.
struct MomentJournal {
    private struct Held {
        let position: UInt64
        let output: Outgoing
    }

    private let journal: any AppendableJournal
    private(set) var drops = Drops()
    private var failures = 0
    /// Events that are not on disk yet, in order.
    private var held: [Held] = []
    /// Records that are not known to be on disk, and what is decided with them.
    private var undurable: [(position: UInt64, covered: UInt64)] = []
    /// The ordinal of ingest's journal up to which everything is decided, on disk.
    private(set) var covered: UInt64 = 0

    init(_ journal: any AppendableJournal) {
        self.journal = journal
        for damage in journal.found { drops.count(.journalDamaged, because: "\(damage.segment) at \(damage.offset): \(damage.problem)") }
    }

    /// Writes an event, and sets its position. Of one that may not be stored only its place is written.
    /// - Parameter decided: what it decides of readings.
    mutating func add(_ event: inout MomentEvent, payload: [[Float]], decided: Decided? = nil) {
        var stored = event
        if let decided { stored.decided = decided }
        // The stage stamps what it publishes; a record is known by its position.
        stored.stamp = .with { ($0.schemaVersion, $0.source, $0.sequence) = (schemaVersion, "fuse", 1) }
        if let withheld = stored.withholding { stored.event = .withheld(withheld) }
        let body = try? MomentRecord.body(stored, payload: stored.isWithheld ? [] : payload)  // an event that was made here can be encoded
        guard let ordinal = body.flatMap({ journal.append(JournalRecord(type: MomentRecord.type, body: $0)) }) else {
            return drops.count(.unjournaled)
        }
        event.position = ordinal
        if let decided { undurable.append((ordinal, decided.covered)) }
    }

    /// Keeps an event until it is on disk; one without a position until all before it are.
    mutating func hold(_ output: Outgoing, at position: UInt64) {
        held.append(Held(position: position > 0 ? position : held.last?.position ?? 0, output: output))
    }

    /// Whether events wait.
    var isHolding: Bool { !held.isEmpty }

    /// The events that are on disk now.
    mutating func release() -> [Outgoing] {
        guard !held.isEmpty || !undurable.isEmpty else { return [] }
        let durable = journal.status.durable, ready = held.prefix { $0.position <= durable }
        let settled = undurable.prefix { $0.position <= durable }
        covered = settled.last?.covered ?? covered
        undurable.removeFirst(settled.count)
        defer { held.removeFirst(ready.count) }
        return ready.map(\.output)
    }

    /// Counts failures of the disk.
    mutating func noteFailures() {
        let status = journal.status
        guard status.failures > failures else { return }
        failures = status.failures
        drops.count(.journalFailed, because: status.failure ?? "it has recovered")
    }

    /// Counts what could not be recorded.
    mutating func count(_ error: FileError) { drops.count(.checkpointFailed, because: error.description) }

    func close() { journal.close() }
}

extension MomentEvent {
    /// What is written in the place of a moment or feedback that may not be stored; nil where it may.
    fileprivate var withholding: Withheld? {
        switch event {
        case .moment(let moment)? where !moment.consent.isKept:
            .with {
                ($0.consent, $0.session, $0.ordinal, $0.journal) = (moment.consent, moment.session, moment.ordinal, moment.journal)
            }
        case .feedback(let feedback)? where !feedback.consent.isKept:
            .with { ($0.consent, $0.session, $0.journal) = (feedback.consent, feedback.session, feedback.journal) }
        default: nil
        }
    }

    fileprivate var isWithheld: Bool { if case .withheld? = event { true } else { false } }

    /// The ordinal in ingest's journal of the feedback that a record is of; 0 where it is of a moment.
    var feedbackOrdinal: UInt64 {
        switch event {
        case .feedback(let feedback)?: feedback.journal
        case .withheld(let withheld)? where withheld.ordinal == 0: withheld.journal
        default: 0
        }
    }
}
