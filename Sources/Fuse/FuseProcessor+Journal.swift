import Journal
import Messaging
import Moments
import Pipeline
import Schema
import Timing
import Wiring

/// Readings with a place in ingest's journal: each is taken once and in order, whatever was lost on its way, and what became of it stands in
/// fuse's journal.
extension FuseProcessor {
    /// Takes what an extractor made of a sample, where it is the next of its stream.
    mutating func receive(_ feature: FeatureFrame, of modality: String, _ values: [Float], at now: Instant) throws(Refusal) {
        let place = feature.place, ordinal = place.ordinal
        switch feature.content {
        case .boundary(let boundary):
            let isClosed = aligner.isClosed(boundary.ordinal, of: boundary.epoch), isRoom = isClosed || aligner.hasRoom(for: boundary)
            guard readings?.receives(boundary, place, on: modality, isRoom: isRoom, at: now) == true, !isClosed else { return }
            readings?.wait(boundary, of: ordinal)
            do throws(Refusal) { try take(feature, of: modality, values, at: now) } catch {
                readings?.end(boundary)
                throw error
            }
        case .frame(let frame):
            guard readings?.receives(place, on: modality, isRoom: aligner.hasRoom(for: frame), at: now) == true else { return }
            readings?.wait(ordinal)
            defer { for one in aligner.takeDropped() { readings?.giveUp(one, because: .overflow) } }
            do throws(Refusal) { try take(feature, of: modality, values, at: now) } catch {
                // It made room for itself where there was none.
                if error.reason != .overflow { readings?.giveUp(ordinal, because: error.reason) }
                throw error
            }
        case .givenUp(let reason):
            guard readings?.receives(place, on: modality, at: now) == true else { return }
            readings?.giveUp(ordinal, because: Reason(rawValue: reason), hasWaited: false)
        case nil: throw Refusal(.undecodable, "a feature frame without content")
        }
    }

    /// Whether feedback was received before, or cannot be taken: some before it is missing, or as much waits as may. Else it waits.
    mutating func isReceived(_ feedback: Feedback, at now: Instant) -> Bool {
        guard readings != nil, feedback.journal > 0 else { return false }
        let place = JournalPlace.with { ($0.ordinal, $0.previous, $0.parts) = (feedback.journal, feedback.previous, 1) }
        let isRoom = isRoom
        guard readings?.receives(place, on: JournaledReadings.feedback, isRoom: isRoom, at: now) == true else { return true }
        readings?.wait(feedback.journal)
        return false
    }

    /// Writes an event to the journal, with what it decides.
    mutating func write(_ event: inout MomentEvent, of slice: MomentAligner.Slice?, payload: [[Float]]) {
        guard journal != nil else { return }
        let feedback = event.feedback.journal
        let decided = readings?.decide(slice?.readings ?? [], of: slice?.boundary, feedback: feedback)
        journal?.add(&event, payload: payload, decided: decided)
        if let decided, event.position > 0 { readings?.note(decided, feedback: feedback, inRecord: event.position) }
    }

    /// Keeps events of the stream until they are on disk; everything else is published at once.
    mutating func released(_ outputs: [Outgoing]) -> [Outgoing] {
        guard journal != nil else { return outputs }
        var all: [Outgoing] = []
        for output in outputs {
            let event = output.message as? MomentEvent
            if let event, event.position > 0 || journal?.isHolding == true {
                journal?.hold(output, at: event.position)
            } else {
                all.append(output)
            }
        }
        return all + (journal?.release() ?? [])
    }

    /// Tells ingest how far its journal has been received, and asks for what is missing.
    mutating func coverage(at now: Instant) -> [Outgoing] {
        recordRelease(at: now)
        return readings?.report(at: now).map { [Outgoing($0, on: Topics.coverage.only)] } ?? []
    }

    /// Records which readings a fuse that starts again would need.
    private mutating func recordRelease(at now: Instant) {
        guard let directory = settings.journal.readings, let journal, released.map({ now - $0 >= Self.releasePeriod }) ?? true else {
            return
        }
        let covered = released == nil ? readings?.covered ?? 0 : journal.covered
        released = now
        do {
            try JournalReleases.set(covered, by: "fuse", in: directory)
        } catch {
            self.journal?.count(error)
        }
    }

    /// How often it is recorded which readings are needed.
    private static let releasePeriod = Duration.seconds(60)
}

extension Feedback {
    /// Whether it came after a boundary, or before the next.
    func isAfter(_ boundary: UInt64, of epoch: UInt64) -> Bool {
        boundaryEpoch == 0 ? afterBoundary <= boundary : (boundaryEpoch, afterBoundary) <= (epoch, boundary)
    }
}
