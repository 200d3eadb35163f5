/// What is said about messages of a channel: the name of their type, and its description in an encoding such as `protobuf`.
public struct MCAPSchema: Sendable, Hashable {
    public var name: String
    public var encoding: String
    public var data: [UInt8]

    public init(name: String, encoding: String, data: [UInt8]) { (self.name, self.encoding, self.data) = (name, encoding, data) }
}

/// A stream of messages of one type on a topic.
public struct MCAPChannel: Sendable, Equatable {
    /// The channel's number in its file.
    public var id: UInt16
    public var topic: String
    /// How messages are encoded, such as `protobuf`.
    public var encoding: String
    public var metadata: [String: String]
    /// Nil where messages have no schema.
    public var schema: MCAPSchema?

    public init(id: UInt16, topic: String, encoding: String, metadata: [String: String] = [:], schema: MCAPSchema? = nil) {
        (self.id, self.topic, self.encoding, self.metadata, self.schema) = (id, topic, encoding, metadata, schema)
    }
}

/// A message of a channel.
public struct MCAPMessage: Sendable, Equatable {
    public var channel: MCAPChannel
    public var sequence: UInt32
    /// When it was recorded, in nanoseconds.
    public var logTime: UInt64
    /// When it was published, in nanoseconds.
    public var publishTime: UInt64
    public var data: [UInt8]

    public init(channel: MCAPChannel, sequence: UInt32, logTime: UInt64, publishTime: UInt64, data: [UInt8]) {
        (self.channel, self.sequence, self.logTime, self.publishTime, self.data) = (channel, sequence, logTime, publishTime, data)
    }
}

/// Why a file, or a part of it, cannot be read or written.
public struct MCAPError: Error, Sendable, Equatable, CustomStringConvertible {
    public enum Reason: String, Sendable {
        case unreadable, notMCAP, malformed, damaged, tooLarge, unsupported, full
    }

    public let reason: Reason
    public let description: String

    public init(_ reason: Reason, _ description: String) { (self.reason, self.description) = (reason, description) }
}

/// Bounds of what is read of a file that somebody else wrote.
public struct MCAPLimits: Sendable, Equatable {
    /// The greatest size of a record, and of a chunk's content once decompressed, in bytes.
    public var recordBytes = 1 << 28
    /// The greatest size of all schemas and channels together, in bytes.
    public var descriptionBytes = 1 << 26

    public init() {}
}

/// The first and the last bytes of a file.  https://mcap.dev/spec
let magic: [UInt8] = [0x89, 0x4D, 0x43, 0x41, 0x50, 0x30, 0x0D, 0x0A]

/// The kinds of records that are read or written.
enum Opcode: UInt8 {
    case header = 1
    case footer, schema, channel, message, chunk, messageIndex, chunkIndex, attachment, attachmentIndex, statistics, metadata
    case metadataIndex, summaryOffset, dataEnd
}
