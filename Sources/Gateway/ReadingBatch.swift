import Foundation
import Messaging
import Pipeline
import Schema
import StrictJSON

/// Readings of a phone in one request: four bytes with the length of a JSON object, little-endian; the object; then the readings' bytes,
/// one after the other.
///
///     {"session": "phone-1f", "epoch": 1700000000000, "sequence": 1, "dropped": 0,
///      "readings": [{"modality": "image", "format": "image/jpeg", "time": 1700000000123.5, "bytes": 9000}]}
struct ReadingBatch: Sendable {
    /// A reading, checked.
    struct Reading: Sendable {
        var modality: String
        var format: String
        /// When it was captured: nanoseconds on the phone's clock.
        var time: Int64
        var sampleRate: UInt32
        /// How the moment ends with it; none if it goes on.
        var ends: CutKind
        /// What may be done with it; unspecified: as the settings say.
        var consent = Consent.unspecified
        var bytes: [UInt8]
    }

    /// A reading that is refused: its place in the batch.
    struct Refused: Sendable, Equatable {
        var index: Int
        var reason: String
    }

    let session: String
    /// Greater after each start of the page; sequences count the batches of an epoch.
    let epoch: UInt64, sequence: UInt64
    /// Readings that the phone has dropped since it started, because the network could not carry them.
    let dropped: UInt64
    let readings: [Reading]
    let refused: [Refused]

    /// - Parameter limit: the most readings.
    /// - Throws: `Refusal` where the request is no batch; a reading that is none is in `refused`.
    init(_ body: [UInt8], limit: Int) throws(Refusal) {
        guard body.count >= 4 else { throw Refusal(.truncated, "a batch begins with the length of its head, four bytes") }
        let length = body[..<4].reversed().reduce(0) { $0 << 8 | Int($1) }
        guard length <= body.count - 4 else { throw Refusal(.truncated, "a head of \(length) bytes in a body of \(body.count)") }
        let head: JSON
        do { head = try JSON(parsing: body[4..<4 + length]) } catch { throw Refusal(.undecodable, "the head: \(error)") }
        guard let session = head["session"]?.string, TopicComponent.isValid(session), session.utf8.count <= Self.sessionBytes else {
            throw Refusal(Reason(rawValue: "badSession"), "a session is 1 to \(Self.sessionBytes) letters, digits, - or _")
        }
        guard let epoch = head["epoch"]?.integer, let sequence = head["sequence"]?.integer, epoch > 0, sequence > 0 else {
            throw Refusal(.undecodable, "a head wants epoch and sequence, whole numbers above 0")
        }
        guard let list = head["readings"]?.array, list.count <= limit else {
            throw Refusal(.tooLarge, "a head wants readings, at most gateway.batchReadings = \(limit)")
        }
        (self.session, self.epoch, self.sequence) = (session, UInt64(epoch), UInt64(sequence))
        dropped = UInt64(max(0, head["dropped"]?.integer ?? 0))
        var readings: [Reading] = [], refused: [Refused] = [], place = 4 + length
        for (index, item) in list.enumerated() {
            guard let count = item["bytes"]?.integer, count >= 0, count <= body.count - place else {
                throw Refusal(.truncated, "reading \(index) has more bytes than the body")
            }
            do throws(Refusal) {
                readings.append(try Self.reading(item, Array(body[place..<place + count])))
            } catch {
                refused.append(Refused(index: index, reason: error.reason.rawValue))
            }
            place += count
        }
        guard place == body.count else { throw Refusal(.wrongShape, "\(body.count - place) bytes belong to no reading") }
        (self.readings, self.refused) = (readings, refused)
    }

    /// A source's name is the session's and the modality's, and has at most 64 bytes.
    private static let sessionBytes = 48

    private static let formats: [String: [String]] = [
        "image": ["image/jpeg", "image/png"], "audio": ["audio/x-s16le"], "vector": ["vector/f32le"], "text": ["text/utf-8"],
    ]

    private static func reading(_ item: JSON, _ bytes: [UInt8]) throws(Refusal) -> Reading {
        guard let modality = item["modality"]?.string, let known = formats[modality] else { throw Refusal(.unknownModality) }
        guard let format = item["format"]?.string, known.contains(format) else { throw Refusal(Reason(rawValue: "unknownFormat")) }
        guard let milliseconds = item["time"]?.double, milliseconds.isFinite, (0...maximumTime).contains(milliseconds) else {
            throw Refusal(.clockInFuture)
        }
        guard !bytes.isEmpty else { throw Refusal(Reason(rawValue: "empty")) }
        guard isContent(bytes, of: format) else { throw Refusal(.undecodable) }
        let rate = item["rate"]?.integer ?? 0
        if modality == "audio", !(1_000...384_000).contains(rate) { throw Refusal(.wrongShape) }
        return Reading(
            modality: modality, format: format, time: Int64(milliseconds * 1_000_000), sampleRate: UInt32(clamping: rate),
            ends: try ends(item["ends"], of: modality), consent: try consent(item["consent"]), bytes: bytes)
    }

    /// The consent class that a JSON object names.
    static func consent(_ value: JSON?) throws(Refusal) -> Consent {
        guard let value else { return .unspecified }
        guard let name = value.string, let consent = ConsentClass(rawValue: name) else {
            let names = ConsentClass.allCases.map(\.rawValue).joined(separator: ", ")
            throw Refusal(.wrongConsent, "a consent is one of \(names)")
        }
        return consent.message
    }

    /// `true` for the end of an utterance in words, or of anything else; or the kind of the end, of which `label` says that the moment's
    /// label will follow.
    private static func ends(_ value: JSON?, of modality: String) throws(Refusal) -> CutKind {
        switch value {
        case nil, .bool(false)?: .none
        case .bool(true)?: modality == "text" ? .utteranceEnd : .explicit
        case "utterance"?: .utteranceEnd
        case "label"?: .labelRequest
        case "explicit"?: .explicit
        default: throw Refusal(.undecodable)
        }
    }

    /// Milliseconds; nanoseconds of it are an `Int64`.
    private static let maximumTime = 9e12

    /// Whether bytes begin as their format does.
    static func isContent(_ bytes: [UInt8], of format: String) -> Bool {
        switch format {
        case "image/jpeg": bytes.starts(with: [0xFF, 0xD8, 0xFF])
        case "image/png": bytes.starts(with: [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A])
        case "audio/x-s16le": bytes.count % 2 == 0
        case "vector/f32le": bytes.count % 4 == 0
        default: String(validating: bytes, as: UTF8.self) != nil
        }
    }

    /// The messages to ingest. Each modality of a session is a source of its own.
    /// - Throws: `TopicError` never, for names have been checked.
    func messages() throws -> [Outgoing] {
        try readings.map { reading in
            let source = "\(session)-\(reading.modality)"
            var message = SensorReading()
            message.stamp = .with { ($0.source, $0.time, $0.clock) = (source, reading.time, session) }
            (message.session, message.modality, message.format) = (session, reading.modality, reading.format)
            if reading.modality == "audio" { (message.sampleRate, message.channels) = (reading.sampleRate, 1) }
            (message.ends, message.consent) = (reading.ends, reading.consent)
            return Outgoing(message, on: try Topics.sensor(reading.modality, source), payload: [Payload(reading.bytes)])
        }
    }
}
