import Foundation
import Ingest
import Journal
import Messaging
import Moments
import Safetensors
import Schema

/// Reads both journals while a graph runs, and compares in the end what the publishers sent with what became of it.
struct FaultsJudge {
    struct Verdict: Encodable {
        var sent = 0
        var acknowledged = 0
        var journaled = 0
        /// Refused, by reason; the acknowledgements said so.
        var refused: [String: Int] = [:]
        /// Acknowledged, and neither in the journal nor refused; in it more than once; publishers in another order than sent.
        var lost = 0
        var repeated = 0
        var outOfOrder = 0
        var damagedPlaces = 0
        var moments = 0
        /// Of the journaled readings: in one moment, in two, in none, given up by reason.
        var inOneMoment = 0
        var inTwoMoments = 0
        var inNoMoment = 0
        var givenUp: [String: Int] = [:]
        /// Contents of readings that are in two moments, whatever ordinals they have.
        var contentsInTwoMoments = 0
        /// Sessions whose readings are in their moments in another order than they were sent.
        var momentsOutOfOrder = 0
        /// SHA-256 of each publisher's readings in the order of its moments, and of what it sent but for what was refused or given up.
        var digests: [String: String] = [:]
        var digestsEqual = true
        /// Records of fuse's journal up to which the learner has come, and their number.
        var learnedUpTo: UInt64?
        var newestEvent: UInt64 = 0
        /// Where a publisher's clock is set, the order of its session's moments is that of its timelines.
        var judgesOrder = true

        /// received = journaled + refused, journaled = in one moment + given up
        var isConserved: Bool {
            lost + repeated + inTwoMoments + inNoMoment + contentsInTwoMoments == 0
                && journaled == inOneMoment + givenUp.values.reduce(0, +) && sent == journaled + refused.values.reduce(0, +)
        }
        var isGood: Bool {
            isConserved && sent == acknowledged && outOfOrder == 0 && (!judgesOrder || momentsOutOfOrder == 0 && digestsEqual)
        }
    }

    private struct Place {
        var moments = 0
        var reason: String?
    }

    private let directory: String
    private var readings: JournalReader?
    private var moments: JournalReader?
    /// By ordinal, the source and the sequence of a reading.
    private var identities: [UInt64: (source: String, sequence: UInt64)] = [:]
    private var sequences: [String: [UInt64]] = [:]
    private var places: [UInt64: Place] = [:]
    private var inMoments: [String: [UInt64]] = [:]
    /// By content, the moment that it is in.
    private var contents: [String: UInt64] = [:]
    private var verdict = Verdict()

    init(_ directory: String) { self.directory = directory }

    /// Reads what has come since.
    mutating func follow() throws {
        if readings == nil { readings = (try? DirectoryStorage(directory + "/readings", writes: false)).map { JournalReader($0) } }
        if moments == nil { moments = (try? DirectoryStorage(directory + "/moments", writes: false)).map { JournalReader($0) } }
        // The moments first: whatever they refer to is in the journal of readings then.
        var events: [JournalRecord] = []
        while let entry = try moments?.next() { if let record = record(entry) { events.append(record) } }
        while let entry = try readings?.next() { if let record = record(entry) { try note(reading: record) } }
        for event in events { try note(event: event) }
    }

    private mutating func record(_ entry: JournalReader.Entry) -> JournalRecord? {
        switch entry {
        case .record(let record): return record
        case .damage:
            verdict.damagedPlaces += 1
            return nil
        }
    }

    private mutating func note(reading record: JournalRecord) throws {
        guard case .reading(let reading)? = try JournalEntry.read(record.body).entry.input else { return }
        identities[record.ordinal] = (reading.stamp.source, reading.stamp.sequence)
        sequences[reading.stamp.source, default: []].append(reading.stamp.sequence)
    }

    private mutating func note(event record: JournalRecord) throws {
        let event = try MomentRecord.event(in: record.body)
        verdict.newestEvent = record.ordinal
        for ordinal in event.decided.readings {
            places[ordinal, default: Place()].moments += 1
            if let (source, sequence) = identities[ordinal] { inMoments[source, default: []].append(sequence) }
        }
        for one in event.decided.givenUp { places[one.reading, default: Place()].reason = one.reason }
        guard case .moment(let moment) = event.event else { return }
        verdict.moments += 1
        guard case .moment(_, let input) = try MomentRecord.read(record.body, limits: Limits()).message,
            let sense = input.senses["vector"]
        else { return }
        for row in 0..<sense.rows {
            let features = sense.values[(row * sense.columns)..<((row + 1) * sense.columns)]
            guard let (number, sequence) = RecordedPublisher.content(features) else { continue }
            let other = contents.updateValue(moment.ordinal, forKey: "\(number)/\(sequence)")
            if let other, other != moment.ordinal { verdict.contentsInTwoMoments += 1 }
        }
    }

    /// How many journaled readings are neither in a moment nor given up yet.
    var undecided: Int { identities.keys.count { places[$0] == nil } }

    /// Compares the publishers' records with what is on disk.
    func judge(_ publishers: [RecordedPublisher]) -> Verdict {
        var verdict = verdict
        for (ordinal, place) in places {
            let isKnown = identities[ordinal] != nil
            if place.moments > 1 || place.moments == 1 && (place.reason != nil || !isKnown) { verdict.inTwoMoments += 1 }
            if place.moments == 1, place.reason == nil, isKnown { verdict.inOneMoment += 1 }
            if place.moments == 0, let reason = place.reason { verdict.givenUp[reason, default: 0] += 1 }
        }
        verdict.inNoMoment = undecided
        for publisher in publishers {
            let found = sequences[publisher.source] ?? [], unique = Set(found)
            verdict.sent += Int(publisher.sent)
            verdict.acknowledged += Int(publisher.acknowledged)
            verdict.journaled += found.count
            verdict.repeated += found.count - unique.count
            for reason in publisher.refused.values { verdict.refused[reason, default: 0] += 1 }
            if found != found.sorted() { verdict.outOfOrder += 1 }
            let sent = publisher.acknowledged == 0 ? [] : Array(1...publisher.acknowledged)
            verdict.lost += sent.count { !unique.contains($0) && publisher.refused[$0] == nil }
            let held = inMoments[publisher.source] ?? [], gone = givenUp(of: publisher.source)
            if held != held.sorted() { verdict.momentsOutOfOrder += 1 }
            let digest = Self.digest(held)
            verdict.digests[publisher.source] = digest
            if digest != Self.digest(sent.filter { publisher.refused[$0] == nil && !gone.contains($0) }) { verdict.digestsEqual = false }
        }
        return verdict
    }

    private func givenUp(of source: String) -> Set<UInt64> {
        Set(
            places.compactMap { ordinal, place in
                guard place.reason != nil, place.moments == 0, let identity = identities[ordinal], identity.source == source else {
                    return nil
                }
                return identity.sequence
            })
    }

    private static func digest(_ sequences: [UInt64]) -> String {
        var hash = SHA256()
        for sequence in sequences { withUnsafeBytes(of: sequence.littleEndian) { hash.update($0) } }
        return SHA256.hex(hash.digest())
    }
}
