import Journal
import Messaging
import Model
import Moments
import Pipeline
import Schema

/// Events with a position in fuse's journal: each is taken once and in order, whatever was lost between fuse and the learner, and after
/// the learner was killed from where its checkpoint ends.
///
/// The checkpoint holds the position together with everything that was made of the events up to it, in one directory that is replaced as a
/// whole; moments that wait for their steps are in it too.
extension LearnProcessor {
    /// An event that came over the bus.
    mutating func take(_ message: MomentMessage, _ stamp: Stamp, position: UInt64, at now: Instant) throws(Refusal) -> [Outgoing] {
        let newest = progress.position ?? 0
        guard position > newest else { return [] }  // read from the journal before
        // A checkpoint of a learner that had no journal goes on with what comes.
        let isFirst = progress.position == nil && isRestored
        let isNext = position == newest + 1 && !isBehind
        guard isFirst || isNext || catchUp == nil || catchUp?.givesUp(at: now) == true else {
            catchUp?.note(position)
            return []
        }
        return try takeNext(message, stamp, position: position, at: now)
    }

    private mutating func takeNext(
        _ message: MomentMessage, _ stamp: Stamp, position: UInt64, at now: Instant
    ) throws(Refusal) -> [Outgoing] {
        progress.position = position
        catchUp?.noteTaken(position, at: now)
        switch message {
        case .moment(let moment, _): progress.journal = max(progress.journal ?? 0, moment.journal)
        case .withheld(let place) where place.ordinal > 0: progress.journal = max(progress.journal ?? 0, place.journal)
        default: break
        }
        return try process(.event(message, stamp), at: now)
    }

    /// Whether events are missing that may be in the journal.
    var isBehind: Bool { catchUp?.isBehind(progress.position ?? 0) ?? false }

    /// Takes the next event from the journal, where one is missing, and learns from it at once.
    mutating func readOn(at now: Instant) -> [Outgoing] {
        guard catchUp != nil else { return [] }
        catchUp?.lookAgain(at: now)
        if !backlog.isEmpty { workOff(at: now) }
        let position = progress.position ?? 0
        guard backlog.isEmpty, isBehind, let next = catchUp?.next(after: position, at: now) else { return [] }
        do throws(Refusal) {
            let outputs = try takeNext(next.message, next.stamp, position: next.position, at: now)
            // One that arrived too long ago is remembered without a step, as if it had waited here.
            for index in backlog.indices {
                let arrived = Instant(nanoseconds: backlog[index].moment.moment.arrived)
                if arrived.nanoseconds > 0 { backlog[index].since = min(backlog[index].since, arrived) }
            }
            if !backlog.isEmpty { workOff(at: now) }
            return outputs
        } catch {
            ownTelemetry.drops.count(error.reason, because: error.detail)
            return []
        }
    }

    /// Moments that wait for their steps, as a part of the checkpoint.
    var backlogToStore: LabelJoin {
        var stored = LabelJoin(patience: 0)
        for one in backlog { stored.wait(one.moment.moment, one.moment.input, isDue: one.moment.isDue) }
        return stored
    }

    /// The journal's part of the status.
    func addJournal(to telemetry: inout Telemetry) {
        guard let catchUp else { return }
        telemetry.drops.add(catchUp.drops)
        telemetry.gauges["journalPosition"] = Double(progress.position ?? 0)
        telemetry.gauges["journalRead"] = Double(catchUp.read)
    }
}
