import Messaging
import Schema

/// The kinds of records of ingest's journal.
public enum ReadingRecord: UInt16, Sendable, CaseIterable {
    case reading = 1
    case cut = 2
    case feedback = 3
    /// A moment ended without a message, because none came for long.
    case silence = 4
    /// A message of an acknowledged publisher that was refused.
    case refused = 5
    /// A reading or feedback that may not be stored: only that it came.
    case withheld = 6
}

extension JournalEntry {
    /// The entry of what may not be stored: that it came, when, of which session and modality, and the moments that ended around it.
    /// - Parameter consent: its class.
    func withholding(_ consent: Consent) -> JournalEntry {
        var entry = self
        entry.withheld = .with {
            $0.consent = consent
            switch input {
            case .reading(let reading)?: ($0.session, $0.modality, $0.time) = (reading.session, reading.modality, reading.stamp.time)
            case .feedback(let feedback)?: $0.session = feedback.session
            case .cut, .refused, .withheld, nil: break
            }
        }
        // How an answer ends is a publisher's text.
        for index in entry.before.indices { entry.before[index].clearAnswer() }
        for index in entry.after.indices { entry.after[index].clearAnswer() }
        return entry
    }

    /// The body of a record: the entry's length in four bytes, the entry, and a reading's payload.
    /// - Throws: the error of encoding it.
    package func body(payload: Payload?) throws -> [UInt8] {
        let header: [UInt8] = try serializedBytes()
        var body = withUnsafeBytes(of: UInt32(clamping: header.count).littleEndian) { Array($0) }
        body.reserveCapacity(body.count + header.count + (payload?.count ?? 0))
        body += header
        payload?.withUnsafeBytes { body.append(contentsOf: $0) }
        return body
    }

    /// The entry in a record's body, and the payload after it.
    /// - Throws: `Refusal` where it is none.
    public static func read(_ body: [UInt8]) throws(Refusal) -> (entry: JournalEntry, payload: [UInt8]) {
        let length = body.count < 4 ? -1 : body.withUnsafeBytes { Int(UInt32(littleEndian: $0.loadUnaligned(as: UInt32.self))) }
        guard length >= 0, length <= body.count - 4 else { throw Refusal(.undecodable, "a record of \(body.count) bytes") }
        do {
            return (try JournalEntry(serializedBytes: Array(body[4..<4 + length])), Array(body[(4 + length)...]))
        } catch {
            throw Refusal(.undecodable, "a record holds no entry: \(error)")
        }
    }
}
