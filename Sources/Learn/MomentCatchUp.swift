import Journal
import Messaging
import Moments
import Pipeline
import Schema

/// Reads from fuse's journal the events that a learner has missed: while it was not there, or because its queue was full.
struct MomentCatchUp {
    private let directory: String
    private let limits: Limits
    private var reader: JournalReader?
    /// The newest position that is known to exist; at the start, and every second, it is looked whether there
    /// are more than are known.
    private var target: UInt64 = 0
    private var mayHaveMore: Bool
    /// Since when nothing has been found though events are missing.
    private var since: Instant?
    /// What the checkpoint before the newest holds: it is the one to go back to where the newest is damaged.
    private var released: (moments: UInt64, readings: UInt64)
    private var lookedAt: Instant?
    private(set) var drops = Drops()
    /// Events that were read from the journal.
    private(set) var read = 0

    /// The interval between two checks for events that were not received.
    private static let period = Duration.seconds(1)
    /// How long to wait for events that are missing to come to disk, before they are given up.
    private static let patience = Duration.seconds(5)

    /// - Parameters:
    ///   - directory: of fuse's journal.
    ///   - progress: of the checkpoint from which the learner goes on.
    ///   - readsOn: whether it goes on with what the journal has, not with what comes.
    init(_ directory: String, limits: Limits, from progress: LearnProgress, readsOn: Bool) {
        (self.directory, self.limits, mayHaveMore) = (directory, limits, readsOn)
        released = (progress.position ?? 0, progress.journal ?? 0)
    }

    /// Whether events after a position are missing, or may be.
    func isBehind(_ position: UInt64) -> Bool { mayHaveMore || target > position }

    /// Looks again, every second.
    mutating func lookAgain(at now: Instant) {
        guard let lookedAt, now - lookedAt < Self.period else {
            mayHaveMore = mayHaveMore || lookedAt != nil
            lookedAt = now
            return
        }
    }

    /// Notes that an event exists.
    mutating func note(_ position: UInt64) { target = max(target, position) }

    /// Notes that the next event was taken. While some come there is no need to look for more.
    mutating func noteTaken(_ position: UInt64, at now: Instant) {
        note(position)
        (since, lookedAt) = (nil, now)
    }

    /// The next event after a position.
    /// - Returns: nil where there is none yet.
    mutating func next(after position: UInt64, at now: Instant) -> (position: UInt64, message: MomentMessage, stamp: Stamp)? {
        if reader.map({ $0.position < position }) ?? true {
            guard let storage = try? DirectoryStorage(directory, writes: false) else {  // fuse has not begun it yet
                return nothing(after: position, at: now)
            }
            reader = JournalReader(storage, after: position)
        }
        do {
            while let entry = try reader?.next() {
                switch entry {
                case .damage(let damage):
                    drops.count(.journalDamaged, because: "\(damage.segment) at \(damage.offset): \(damage.problem)")
                case .record(let record):
                    since = nil
                    note(record.ordinal)
                    do throws(Refusal) {
                        let event = try MomentRecord.read(record.body, limits: limits)
                        read += 1
                        return (record.ordinal, event.message, event.stamp)
                    } catch {
                        drops.count(error.reason, because: error.detail)
                    }
                }
            }
        } catch {
            drops.count(.journalFailed, because: "\(error)")
        }
        return nothing(after: position, at: now)
    }

    private mutating func nothing(after position: UInt64, at now: Instant) -> (position: UInt64, message: MomentMessage, stamp: Stamp)? {
        mayHaveMore = false
        since = target > position ? since ?? now : nil
        return nil
    }

    /// Whether events that are missing are given up, because they have not come to disk for long.
    mutating func givesUp(at now: Instant) -> Bool {
        guard let since, now - since > Self.patience else { return false }
        drops.count(.unjournaled)
        self.since = nil
        return true
    }

    /// After a checkpoint: what the one before holds is needed by nobody.
    mutating func release(moments: UInt64, readings: UInt64, in readingsDirectory: String) {
        do {
            try JournalReleases.set(released.moments, by: "learn", in: directory)
            try JournalReleases.set(released.readings, by: "learn", in: readingsDirectory)
        } catch {
            drops.count(.checkpointFailed, because: error.description)
        }
        released = (moments, readings)
    }
}
