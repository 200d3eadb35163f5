import CZeroMQ
import Schema

/// Identifies the sender that a message belongs to, among those that share a queue.
///
/// Where publishers connect to a bound socket, each connection is one flow, whatever names it sends under. Where this process connects, a
/// stage sends on behalf of many: then a flow is the source of a reading, or the session of any other message.
struct Flow: Hashable, Sendable {
    private let key: Int

    /// The flow of a publisher that has connected to this process.
    init(connection: Int32) { key = Int(connection) }

    /// The flow by the topic, and by the source or the session in the header.
    init(of message: WireMessage) {
        var hasher = Hasher()
        let topic = message.topicBytes
        hasher.combine(bytes: topic)
        message.header.withUnsafeBytes { header in
            if let source = Self.source(in: header, of: topic) { hasher.combine(bytes: source) }
        }
        key = hasher.finalize()
    }

    /// The source of the reading in a `Sample` or in a `FeatureFrame`, or the session of its boundary.
    private static func source(in header: UnsafeRawBufferPointer, of topic: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer? {
        let isSample = topic.starts(with: Topics.sample.prefix.utf8)
        guard isSample || topic.starts(with: Topics.feature.prefix.utf8) else { return nil }
        if let reading = field(3, of: header) {
            return isSample ? field(1, of: reading).flatMap { field(2, of: $0) } : field(2, of: reading)
        }
        return field(4, of: header).flatMap { field(2, of: $0) }
    }

    /// The bytes of the first length-delimited field of this number, without decoding the message.
    /// https://protobuf.dev/programming-guides/encoding/
    private static func field(_ number: UInt64, of message: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer? {
        var place = 0
        func varint() -> UInt64? {
            var value: UInt64 = 0
            for shift in stride(from: UInt64(0), to: 64, by: 7) {
                guard place < message.count else { return nil }
                let byte = message[place]
                place += 1
                value |= UInt64(byte & 0x7F) << shift
                if byte < 0x80 { return value }
            }
            return nil
        }
        while let tag = varint() {
            switch tag & 7 {
            case 0: guard varint() != nil else { return nil }
            case 1: place += 8
            case 2:
                guard let length = varint(), length <= UInt64(message.count - place) else { return nil }
                let start = place
                place += Int(length)
                if tag >> 3 == number { return UnsafeRawBufferPointer(rebasing: message[start..<place]) }
            case 5: place += 4
            default: return nil
            }
            if place > message.count { return nil }
        }
        return nil
    }
}
