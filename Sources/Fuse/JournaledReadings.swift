import Journal
import Messaging
import Moments
import Pipeline
import Schema
import Statistics

/// What has become of the records of ingest's journal: each is received once, waits, and is decided: in a moment, given up with a reason, or
/// published as feedback. What was decided stands in fuse's journal beside the moment, so that a fuse that starts again goes on from there.
struct JournaledReadings {
    private var reception: ReadingReception
    /// Records that wait: with readings, boundaries or feedback that are not decided.
    private var waiting = WaitingOrdinals()
    /// Boundaries that wait, and the records that they came with.
    private var boundaries: [Boundary: UInt64] = [:]
    /// What was decided before a restart, after `covered`.
    private var known: Set<UInt64> = []
    /// Given up, and not yet in fuse's journal.
    private var givenUp: [GivenUp] = []
    /// Records of fuse's journal that decide something after `covered`: their positions, and the greatest ordinal that each decides.
    private var records: [(position: UInt64, greatest: UInt64)] = []
    /// Ordinal up to which everything is decided.
    private(set) var covered: UInt64 = 0
    /// Readings that lie in moments, and that were given up, since the start.
    private(set) var counts = (inMoments: UInt64(0), givenUp: UInt64(0))
    /// The boundary whose moment was closed last.
    private(set) var closed: (epoch: UInt64, ordinal: UInt64) = (0, 0)

    struct Boundary: Hashable {
        var epoch: UInt64
        var ordinal: UInt64
    }

    /// The stream of feedback.
    static let feedback = "feedback"
    /// The most given-up readings that wait to be written; beyond it the oldest are counted only.
    private static let mostGivenUp = 1_024
    /// The most records of fuse's journal that are distinguished.
    private static let mostRecords = 65_536

    /// - Parameters:
    ///   - modalities: whose streams are followed.
    ///   - patience: without progress for so long the next reading is given up.
    ///   - journal: fuse's, with what was decided before.
    /// - Throws: `JournalError` where it cannot be read.
    init(_ modalities: [String], patience: Duration, from journal: any AppendableJournal) throws(JournalError) {
        reception = ReadingReception([], after: 0, patience: patience)
        try restore(from: journal)
        reception = ReadingReception(modalities + [Self.feedback], after: covered, patience: patience)
    }

    /// Reads what was decided after `covered` from the records that say so.
    private mutating func restore(from journal: any AppendableJournal) throws(JournalError) {
        guard journal.recovered > 0 else { return }
        var newest = journal.reader(after: journal.recovered - 1)
        guard let last = try next(&newest) else { return }
        guard last.event.hasDecided else {
            // Written before readings were distinguished.
            covered = last.event.moment.journal
            return
        }
        let decided = last.event.decided
        (covered, closed) = (decided.covered, (decided.boundaryEpoch, decided.boundary))
        var records = journal.reader(after: (decided.since == 0 ? last.position : decided.since) - 1)
        while let (position, event) = try next(&records) { note(event.decided, feedback: event.feedbackOrdinal, at: position) }
        let covered = covered
        known = known.filter { $0 > covered }
    }

    private func next(_ records: inout any JournalSequence) throws(JournalError) -> (position: UInt64, event: MomentEvent)? {
        while let entry = try records.next() {
            // damage was reported when the journal was opened
            guard case .record(let record) = entry, let event = try? MomentRecord.event(in: record.body) else { continue }
            return (record.ordinal, event)
        }
        return nil
    }

    private mutating func note(_ decided: Decided, feedback: UInt64, at position: UInt64) {
        let all = decided.readings + decided.givenUp.map(\.reading) + (feedback > 0 ? [feedback] : [])
        known.formUnion(all)
        noteRecord(position, deciding: all.max() ?? 0)
    }

    private mutating func noteRecord(_ position: UInt64, deciding greatest: UInt64) {
        guard greatest > covered else { return }
        if records.count < Self.mostRecords {
            records.append((position, greatest))
        } else {
            records[records.count - 1].greatest = max(records[records.count - 1].greatest, greatest)
        }
    }

    // MARK: Receiving

    /// - Parameter isRoom: false where fuse cannot take it now: it is left in ingest's journal until later.
    /// - Returns: whether a message is to be taken.
    mutating func receives(_ place: JournalPlace, on stream: String, isRoom: Bool = true, at now: Instant) -> Bool {
        let isKnown = known.contains(place.ordinal)
        return reception.receive(place, on: stream, isRoom: isRoom || isKnown, at: now) == .next && !isKnown
    }

    /// Notes a boundary that has come on a stream.
    /// - Returns: whether it is to be taken.
    mutating func receives(
        _ boundary: Schema.Boundary, _ place: JournalPlace, on stream: String, isRoom: Bool = true, at now: Instant
    ) -> Bool {
        reception.expect(place.ordinal, feedback: boundary.feedbackJournal, at: now)
        return reception.receive(place, on: stream, isRoom: isRoom, at: now) == .next
    }

    /// Whether a modality's messages are taken in the order of the journal.
    func follows(_ modality: String) -> Bool { reception.follows(modality) }

    /// An extractor does not repeat the places of its samples.
    mutating func leave(_ stream: String) { reception.leave(stream) }

    /// What is reported to ingest now; nil where it need not be.
    mutating func report(at now: Instant) -> Coverage? {
        settle()
        guard var coverage = reception.report(at: now) else { return nil }
        coverage.decided = covered
        return coverage
    }

    var gauges: [String: Double] {
        [
            "readingsInMoments": Double(counts.inMoments), "readingsGivenUp": Double(counts.givenUp), "readingsCovered": Double(covered),
            "readingsWaiting": Double(waiting.count), "readingsAsked": Double(reception.questions),
            "readingsHeldBack": Double(reception.heldBack),
        ]
    }

    // MARK: Deciding

    /// A reading or feedback waits.
    mutating func wait(_ ordinal: UInt64) { waiting.insert(ordinal) }

    /// A boundary waits, however many streams it comes on.
    mutating func wait(_ boundary: Schema.Boundary, of ordinal: UInt64) {
        let key = Boundary(epoch: boundary.epoch, ordinal: boundary.ordinal)
        guard boundaries[key] == nil else { return }
        boundaries[key] = ordinal
        waiting.insert(ordinal)
    }

    /// A boundary waits no more.
    mutating func end(_ boundary: Schema.Boundary) {
        if let ordinal = boundaries.removeValue(forKey: Boundary(epoch: boundary.epoch, ordinal: boundary.ordinal)) {
            waiting.remove(ordinal)
        }
    }

    /// A reading that is in no moment.
    /// - Parameter hasWaited: whether it was waiting.
    mutating func giveUp(_ ordinal: UInt64, because reason: Reason, hasWaited: Bool = true) {
        if hasWaited { waiting.remove(ordinal) }
        counts.givenUp += 1
        if givenUp.count >= Self.mostGivenUp { givenUp.removeFirst() }
        givenUp.append(.with { ($0.reading, $0.reason) = (ordinal, reason.rawValue) })
    }

    /// What a record of fuse's journal decides.
    /// - Parameters:
    ///   - readings: that lie in its moment.
    ///   - boundary: of its moment; nil for feedback.
    ///   - feedback: the ordinal of its feedback; 0 for a moment.
    mutating func decide(_ readings: [UInt64], of boundary: Schema.Boundary?, feedback: UInt64 = 0) -> Decided {
        for ordinal in readings { waiting.remove(ordinal) }
        if feedback > 0 { waiting.remove(feedback) }
        if let boundary {
            end(boundary)
            let place = (boundary.epoch, boundary.ordinal)
            if place > closed { closed = place }
        }
        counts.inMoments += UInt64(readings.count)
        settle()
        defer { givenUp = [] }
        return .with {
            ($0.readings, $0.givenUp, $0.covered) = (readings, givenUp, covered)
            ($0.boundaryEpoch, $0.boundary) = closed
            $0.since = records.first?.position ?? 0
        }
    }

    /// What was decided stands in a record.
    mutating func note(_ decided: Decided, feedback: UInt64, inRecord position: UInt64) {
        noteRecord(position, deciding: max(decided.readings.last ?? 0, decided.givenUp.map(\.reading).max() ?? 0, feedback))
    }

    private mutating func settle() {
        covered = max(covered, min(reception.received, waiting.first.map { $0 - 1 } ?? .max))
        let passed = records.prefix { [covered] in $0.greatest <= covered }.count
        records.removeFirst(passed)
        if !known.isEmpty, known.max() ?? 0 <= covered { known = [] }
    }
}

/// Ordinals that wait, each as often as it was inserted. Most come in order.
struct WaitingOrdinals {
    private var entries: [(ordinal: UInt64, times: Int)] = []
    private var head = 0
    /// How many wait.
    private(set) var count = 0

    /// The smallest.
    var first: UInt64? { head < entries.count ? entries[head].ordinal : nil }

    mutating func insert(_ ordinal: UInt64) {
        guard ordinal > 0 else { return }
        count += 1
        let place = place(of: ordinal)
        if place < entries.count, entries[place].ordinal == ordinal {
            entries[place].times += 1
        } else {
            entries.insert((ordinal, 1), at: place)
        }
    }

    /// Removes one; does nothing where none is there.
    mutating func remove(_ ordinal: UInt64) {
        let place = place(of: ordinal)
        guard place < entries.count, entries[place].ordinal == ordinal, entries[place].times > 0 else { return }
        count -= 1
        entries[place].times -= 1
        while head < entries.count, entries[head].times == 0 { head += 1 }
        if head > 64, head > entries.count / 2 {
            entries.removeFirst(head)
            head = 0
        }
    }

    /// The place of the first that is not smaller.
    private func place(of ordinal: UInt64) -> Int {
        if entries.last.map({ $0.ordinal < ordinal }) ?? true { return entries.count }
        var (low, high) = (head, entries.count)
        while low < high {
            let middle = (low + high) / 2
            if entries[middle].ordinal < ordinal { low = middle + 1 } else { high = middle }
        }
        return low
    }
}
