import Foundation
import Statistics
import Synchronization

/// A journal that is being written: gives each record its ordinal at once, and brings it to disk on a thread of its own, together with all
/// that come within a few milliseconds.
///
/// Where the disk fails, records wait in memory, as many as may; nothing is said to be durable that is not, and writing goes on in a new
/// segment when the disk does.
public final class Journal: Sendable {
    /// What has become of the records.
    public struct Status: Sendable, Equatable {
        /// Ordinal of the newest record that is on disk.
        public var durable: UInt64 = 0
        /// Ordinal of the newest record that was accepted.
        public var accepted: UInt64 = 0
        public var waitingRecords = 0
        public var waitingBytes = 0
        /// Why writing fails at present; nil where it does not.
        public var failure: String?
        /// How often it has failed.
        public var failures = 0
        /// Bytes and number of segments.
        public var bytes = 0
        public var segments = 0
        /// How often records were brought to disk.
        public var commits = 0

        public init() {}
    }

    private struct State {
        var status: Status
        var waiting: [JournalRecord] = []
        var isClosed = false
        var hasEnded = false
    }

    private let state: Mutex<State>
    /// Nil when it is closed: another may write then.
    private let writer: Mutex<JournalWriter?>
    private let storage: any JournalStorage
    private let bounds: JournalBounds
    private let wakeup = DispatchSemaphore(value: 0)
    private let ended = DispatchSemaphore(value: 0)
    private let released: @Sendable () -> UInt64
    private let now: @Sendable () -> Int64
    /// The newest value of each key, and the damage, that were found when it was opened.
    public let marks: [(key: [UInt8], mark: [UInt8])]
    public let found: [JournalDamage]
    /// Ordinal of the newest record that was found then; 0 where there was none.
    public let recovered: UInt64

    /// Opens a journal and recovers what is there.
    /// - Parameters:
    ///   - released: the ordinal up to which nobody needs records any more.
    ///   - now: nanoseconds since 1970.
    /// - Throws: `JournalError` where what is there cannot be read or brought to disk.
    public init(
        _ storage: any JournalStorage, _ bounds: JournalBounds, released: @escaping @Sendable () -> UInt64 = { .max },
        now: @escaping @Sendable () -> Int64
    ) throws(JournalError) {
        let writer = try JournalWriter(storage, bounds, at: now(), released: released())
        var status = Status()
        (status.durable, status.accepted) = (writer.durable, writer.next - 1)
        (status.bytes, status.segments) = (writer.bytes, writer.segments)
        marks = writer.marks.map { ($0.key, $0.value) }
        (found, recovered) = (writer.found, writer.recovered)
        (self.storage, self.bounds, self.released, self.now) = (storage.forReading, bounds, released, now)
        state = Mutex(State(status: status))
        self.writer = Mutex(writer)
        let thread = Thread { [self] in run() }
        thread.name = "journal"
        thread.start()
    }

    public var status: Status { state.withLock { $0.status } }

    /// Whether a record of this size would be accepted. It still is later, where nobody else appends.
    public func hasRoom(for bytes: Int) -> Bool { state.withLock { hasRoom(for: bytes, $0) } }

    private func hasRoom(for bytes: Int, _ state: State) -> Bool {
        !state.isClosed && state.status.waitingRecords < bounds.waitingRecords
            && (state.waiting.isEmpty || state.status.waitingBytes + bytes <= bounds.waitingBytes)
    }

    /// Accepts a record, to be brought to disk soon.
    /// - Returns: its ordinal; nil where as much waits as may, or the journal is closed.
    public func append(_ record: JournalRecord) -> UInt64? {
        let ordinal = state.withLock { state -> UInt64? in
            let size = record.storedBytes
            guard hasRoom(for: size, state) else { return nil }
            state.status.accepted += 1
            state.status.waitingRecords += 1
            state.status.waitingBytes += size
            var record = record
            record.ordinal = state.status.accepted
            state.waiting.append(record)
            return record.ordinal
        }
        if ordinal != nil { wakeup.signal() }
        return ordinal
    }

    /// What is there after an ordinal, also while it is written.
    public func reader(after ordinal: UInt64) -> any JournalSequence { JournalReader(storage, after: ordinal) }

    /// Brings to disk what waits, once, and ends writing. Returns when that is done.
    public func close() {
        let isFirst = state.withLock { state in
            defer { state.isClosed = true }
            return !state.isClosed
        }
        wakeup.signal()
        if isFirst { ended.wait() }
    }

    // MARK: The writing thread

    private func run() {
        var commits = DispatchTime.now()
        while true {
            wakeup.wait()
            let (isClosed, isEmpty) = state.withLock { ($0.isClosed, $0.waiting.isEmpty) }
            if isEmpty, !isClosed { continue }  // came to disk with an earlier one
            if !isClosed { gather(since: commits) }
            commits = .now()
            let isDone = commit()
            if state.withLock({ $0.isClosed && ($0.waiting.isEmpty || !isDone) }) { break }
            if !isDone { rest() }
        }
        writer.withLock { writer in
            writer?.close()
            writer = nil
        }
        ended.signal()
    }

    /// Waits for others, until a commit interval after the commit before, unless much is there: what comes alone does not wait.
    private func gather(since commit: DispatchTime) {
        let deadline = commit + bounds.commitInterval
        while wakeup.wait(timeout: deadline) == .success {
            if state.withLock({ $0.isClosed || $0.status.waitingBytes > bounds.waitingBytes / 4 }) { return }
        }
    }

    /// - Returns: whether everything that waited is on disk.
    private func commit() -> Bool {
        let records = state.withLock { $0.waiting }
        let (released, now) = (released(), now())
        let outcome = writer.withLock { writer -> (failure: String?, durable: UInt64, bytes: Int, segments: Int)? in
            guard writer != nil else { return nil }
            var failure: String?
            do throws(JournalError) { try writer?.commit(records, at: now, released: released) } catch { failure = error.description }
            return (failure, writer?.durable ?? 0, writer?.bytes ?? 0, writer?.segments ?? 0)
        }
        guard let outcome else { return false }
        state.withLock { state in
            let done = records.prefix { $0.ordinal <= outcome.durable }
            state.waiting.removeFirst(done.count)
            state.status.waitingRecords -= done.count
            state.status.waitingBytes -= done.reduce(0) { $0 + $1.storedBytes }
            (state.status.durable, state.status.failure) = (outcome.durable, outcome.failure)
            (state.status.bytes, state.status.segments) = (outcome.bytes, outcome.segments)
            state.status.commits += 1
            if outcome.failure != nil { state.status.failures += 1 }
        }
        return outcome.failure == nil
    }

    /// After a failure: waits, and makes the loop go round again.
    private func rest() {
        let deadline = DispatchTime.now() + bounds.retryInterval
        while wakeup.wait(timeout: deadline) == .success, !state.withLock({ $0.isClosed }) {}
        wakeup.signal()
    }
}
