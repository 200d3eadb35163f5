import Messaging
import Schema

/// An event of the stream as a record of fuse's journal: its header's length in four bytes, little-endian, the header, the number of
/// payload frames in four bytes, and each frame after its length in four bytes.
public enum MomentRecord {
    /// The type of such records.
    public static let type: UInt16 = 1

    /// The body of a record.
    /// - Throws: the error of encoding the event.
    public static func body(_ event: MomentEvent, payload: [[Float]]) throws -> [UInt8] {
        let header: [UInt8] = try event.serializedBytes()
        var body: [UInt8] = []
        body.reserveCapacity(8 + header.count + payload.reduce(0) { $0 + 4 + 4 * $1.count })
        func append(_ number: Int) { withUnsafeBytes(of: UInt32(clamping: number).littleEndian) { body.append(contentsOf: $0) } }
        append(header.count)
        body += header
        append(payload.count)
        for frame in payload {
            append(4 * frame.count)
            frame.withUnsafeBytes { body.append(contentsOf: $0) }
        }
        return body
    }

    /// The event in a record's body, as the message that was published.
    /// - Throws: `undecodable` where it is none, and what `MomentMessage` throws.
    public static func read(_ body: [UInt8], limits: Limits) throws(Refusal) -> (message: MomentMessage, stamp: Stamp) {
        let (header, payload) = try parts(of: body, atMost: limits.parts)
        let batch = MessageBatch(limits: limits)
        batch.append(topic: Topics.moment.prefix, header: header, payload: payload)
        let event: MomentEvent = try batch[0].decode()
        return (try MomentMessage(batch[0], event), event.stamp)
    }

    /// The event in a record's body, without its payload.
    /// - Throws: `undecodable` where it is none.
    public static func event(in body: [UInt8]) throws(Refusal) -> MomentEvent {
        let header = try parts(of: body, atMost: .max).header
        do {
            return try MomentEvent(serializedBytes: header)
        } catch {
            throw Refusal(.undecodable, "a record holds no event: \(error)")
        }
    }

    private static func parts(of body: [UInt8], atMost most: Int) throws(Refusal) -> (header: [UInt8], payload: [Payload]) {
        var place = 0
        func number() throws(Refusal) -> Int {
            guard place + 4 <= body.count else { throw Refusal(.undecodable, "a record of \(body.count) bytes") }
            defer { place += 4 }
            return body.withUnsafeBytes { Int(UInt32(littleEndian: $0.loadUnaligned(fromByteOffset: place, as: UInt32.self))) }
        }
        func bytes() throws(Refusal) -> [UInt8] {
            let count = try number()
            guard count <= body.count - place else { throw Refusal(.undecodable, "a record of \(body.count) bytes") }
            defer { place += count }
            return Array(body[place..<place + count])
        }
        let header = try bytes(), count = try number()
        guard count <= most else { throw Refusal(.tooManyParts, "a record of \(count) frames") }
        var payload: [Payload] = []
        for _ in 0..<count { payload.append(Payload(try bytes())) }
        guard place == body.count else { throw Refusal(.undecodable, "\(body.count - place) bytes after a record's content") }
        return (header, payload)
    }
}
