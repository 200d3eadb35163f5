import Synchronization
@testable import Journal

/// A journal in memory whose disk does what a test says. A process that is killed leaves what was durable.
final class MemoryJournal: AppendableJournal {
    struct State {
        var records: [JournalRecord] = []
        var status = Journal.Status()
        var hasRoom = true
        /// Whether every record is on disk at once.
        var isPrompt = false
    }

    let state = Mutex(State())
    let marks: [(key: [UInt8], mark: [UInt8])]
    let found: [JournalDamage]
    let recovered: UInt64

    /// - Parameters:
    ///   - records: on disk when it is opened.
    ///   - durable: no ordinal up to it is given again.
    init(after records: [JournalRecord] = [], durable: UInt64 = 0, isPrompt: Bool = false, found: [JournalDamage] = []) {
        self.found = found
        recovered = records.last?.ordinal ?? 0
        var newest: [[UInt8]: [UInt8]] = [:]
        for record in records where !record.key.isEmpty { newest[record.key] = record.mark }
        marks = newest.map { ($0.key, $0.value) }
        let durable = max(durable, recovered)
        state.withLock { state in
            (state.records, state.isPrompt, state.status.durable) = (records, isPrompt, durable)
            state.status.accepted = durable == 0 ? 0 : durable + 1_000
        }
    }

    /// The journal as the next process finds it. Ordinals that may have been given to others are left out, also where nothing was written.
    func afterKill() -> MemoryJournal {
        let (status, left) = state.withLock { state in (state.status, state.records.filter { $0.ordinal <= state.status.durable }) }
        let isUnchanged = left.last?.ordinal ?? 0 == recovered
        return MemoryJournal(after: left, durable: isUnchanged ? status.accepted : 0, isPrompt: state.withLock { $0.isPrompt })
    }

    var status: Journal.Status { state.withLock { $0.status } }
    var records: [JournalRecord] { state.withLock { $0.records } }
    var types: [UInt16] { records.map(\.type) }
    func hasRoom(for bytes: Int) -> Bool { state.withLock { $0.hasRoom } }
    func close() { makeDurable(.max) }
    func makeDurable(_ ordinal: UInt64) { state.withLock { $0.status.durable = min(ordinal, $0.status.accepted) } }
    func set(_ change: (inout State) -> Void) { state.withLock { change(&$0) } }

    func append(_ record: JournalRecord) -> UInt64? {
        state.withLock { state -> UInt64? in
            guard state.hasRoom else { return nil }
            state.status.accepted += 1
            var record = record
            record.ordinal = state.status.accepted
            state.records.append(record)
            if state.isPrompt { state.status.durable = record.ordinal }
            return record.ordinal
        }
    }

    func reader(after ordinal: UInt64) -> any JournalSequence { Sequence(journal: self, position: ordinal) }

    private struct Sequence: JournalSequence {
        let journal: MemoryJournal
        var position: UInt64

        mutating func next() -> JournalReader.Entry? {
            guard let record = journal.records.first(where: { [position] in $0.ordinal > position }) else { return nil }
            position = record.ordinal
            return .record(record)
        }
    }
}
