import CZeroMQ
import Schema
import Statistics
import SwiftProtobuf

/// A received message: `[topic][header][payload…]`. It keeps its whole batch alive; copy what is to be kept for long.
///
/// Sendable because its parts never change, and its batch keeps them where they are.
public struct WireMessage: @unchecked Sendable {
    let batch: MessageBatch
    private let parts: UnsafeMutablePointer<zmq_msg_t>
    private let count: Int
    /// The owner of the key with which it was sent; nil where it came without one.
    private let sender: Sender?
    /// Who has sent it, where the sender can be answered.
    public let peer: Peer?
    /// The header, once `open` has decoded it.
    private var opened: (any Stamped)?

    init(batch: MessageBatch, parts: UnsafeMutablePointer<zmq_msg_t>, count: Int, sender: Sender? = nil, peer: Peer? = nil) {
        (self.batch, self.parts, self.count, self.sender, self.peer) = (batch, parts, count, sender, peer)
    }

    /// The topic's name.
    public var topic: String {
        part(0).withUnsafeBytes { String(decoding: $0, as: UTF8.self) }
    }

    /// The header: a serialized protobuf message.
    public var header: MessagePart { part(1) }

    /// The payload's frames.
    public var payload: [MessagePart] { (2..<count).map(part) }

    /// All parts together, bytes.
    public var byteCount: Int { (0..<count).reduce(0) { $0 + zmq_msg_size(parts + $1) } }

    /// Decodes the header once, as the type that the topics of `family` carry; `decode` then returns the same value.
    /// - Returns: its stamp.
    /// - Throws: what `decode` throws.
    public mutating func open(as family: some AnyTopicFamily) throws(Refusal) -> Stamp {
        func decoded<Family: AnyTopicFamily>(_: Family) throws(Refusal) -> Family.Message { try decode() }
        let header = try decoded(family)
        opened = header
        return header.stamp
    }

    /// The stamp alone, whatever type the message has.
    /// - Throws: as `decode` does.
    public func stamp() throws(Refusal) -> Stamp { try decode(Envelope.self).stamp }

    /// Decodes the header, without fields that are unknown.
    /// - Throws: `undecodable`, `tooLarge`, `unstamped`, `schemaVersion`; `foreignSource` where the sender's key may not speak for the source.
    public func decode<Message: Stamped>(_ type: Message.Type = Message.self) throws(Refusal) -> Message {
        if let opened = opened as? Message { return opened }
        var options = BinaryDecodingOptions()
        options.discardUnknownFields = true
        let message: Message
        do {
            message = try header.withUnsafeBytes { try Message(serializedBytes: $0.bytes, options: options) }
        } catch {
            throw Refusal(.undecodable, "\(topic) holds no \(Message.protoMessageName): \(error)")
        }
        if let problem = batch.limits.header.problem(in: message) {
            throw Refusal(.tooLarge, "\(topic): \(problem)")
        }
        guard message.hasStamp else { throw Refusal(.unstamped, topic) }
        guard message.stamp.schemaVersion == schemaVersion else {
            throw Refusal(.schemaVersion, "\(topic) follows version \(message.stamp.schemaVersion), not \(schemaVersion)")
        }
        // The whole decoded header, not a part of its bytes: a field may be there twice, and the last one counts.
        if let sender, !sender.maySpeak(for: message.stamp.source) {
            throw Refusal(.foreignSource, "the key of \(sender.name) may not speak for '\(message.stamp.source.prefix(64))'")
        }
        return message
    }

    /// The topic's bytes as received; valid as long as the message.
    var topicBytes: UnsafeRawBufferPointer { part(0).bytes }

    private func part(_ index: Int) -> MessagePart {
        MessagePart(batch: batch, bytes: UnsafeRawBufferPointer(start: zmq_msg_data(parts + index), count: zmq_msg_size(parts + index)))
    }
}

/// One part of a message received. Sendable because its bytes never change and its batch keeps them where they are.
public struct MessagePart: @unchecked Sendable {
    let batch: MessageBatch
    let bytes: UnsafeRawBufferPointer

    /// The number of bytes.
    public var count: Int { bytes.count }

    /// Calls `body` with the bytes, which are valid during the call only.
    public func withUnsafeBytes<Result, Failure: Error>(
        _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        let result: Result
        do { result = try body(bytes) } catch { throw error }
        withExtendedLifetime(batch) {}
        return result
    }
}

extension Array {
    /// A copy of the part.
    public init(_ part: MessagePart) where Element == UInt8 {
        self = part.withUnsafeBytes { Array($0) }
    }

    /// The part read as little-endian float32.
    /// - Throws: `truncated` where bytes are left over, `nonFinite` for NaN and infinity.
    public init(_ part: MessagePart) throws(Refusal) where Element == Float {
        self = try FiniteValues(part).numbers
    }
}

extension FiniteValues {
    /// A copy of the part, read as little-endian float32.
    /// - Throws: `truncated` where bytes are left over, `nonFinite` for NaN and infinity.
    public init(_ part: MessagePart) throws(Refusal) {
        let size = MemoryLayout<Float>.size
        guard part.count % size == 0 else { throw Refusal(.truncated, "\(part.count) bytes are no float32 values") }
        let numbers = part.withUnsafeBytes { bytes in
            [Float](unsafeUninitializedCapacity: bytes.count / size) { values, count in
                UnsafeMutableRawBufferPointer(values).copyMemory(from: bytes)
                count = bytes.count / size
            }
        }
        guard let values = FiniteValues(numbers) else { throw Refusal(.nonFinite, "a payload of \(numbers.count) values") }
        self = values
    }
}
