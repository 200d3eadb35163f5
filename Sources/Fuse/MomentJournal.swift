import Journal
import Messaging
import Moments
import Pipeline
import Schema

/// Fuse's journal of the events that it publishes. The learner reads there what it has missed: a moment is in exactly one record, and the
/// records are in the order of the stream.
///
/// An event is published at once and does not wait for the disk. One that the journal has no room for is published without a position, and
/// whoever misses it has lost it.
struct MomentJournal {
    private let journal: Journal
    private(set) var drops = Drops()
    private var failures = 0

    init(_ journal: Journal) {
        self.journal = journal
        for damage in journal.found { drops.count(.journalDamaged, because: "\(damage.segment) at \(damage.offset): \(damage.problem)") }
    }

    /// Writes an event, and sets its position.
    mutating func add(_ event: inout MomentEvent, payload: [[Float]]) {
        var stored = event
        // The stage stamps what it publishes; a record is known by its position.
        stored.stamp = .with { ($0.schemaVersion, $0.source, $0.sequence) = (schemaVersion, "fuse", 1) }
        let body = try? MomentRecord.body(stored, payload: payload)  // an event that was made here can be encoded
        guard let ordinal = body.flatMap({ journal.append(JournalRecord(type: MomentRecord.type, body: $0)) }) else {
            return drops.count(.unjournaled)
        }
        event.position = ordinal
    }

    /// Counts failures of the disk.
    mutating func noteFailures() {
        let status = journal.status
        guard status.failures > failures else { return }
        failures = status.failures
        drops.count(.journalFailed, because: status.failure ?? "it has recovered")
    }

    func close() { journal.close() }
}
