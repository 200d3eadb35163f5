import Foundation
import MCAP
import Schema
import Signals
import SwiftProtobuf

/// Writes a recording: an MCAP file with readings, cuts and labels as a session has them, the messages that a graph publishes, and beside
/// readings of pictures and poses the messages that Foxglove draws.
public final class RecordingWriter {
    private let file: MCAPWriter
    private let schemas = MessageSchemas()
    private var channels: [String: (id: UInt16, sequence: UInt32)] = [:]

    /// The key of a channel's metadata that names the topic whose readings the channel repeats for other programs.
    static let copyKey = "copy_of"
    /// The name of the record that says how the recording was made.
    static let metadataName = "accrete"

    /// How a recording was made.
    public enum Kind: String, Sendable {
        /// Of a session: in its order.
        case session
        /// Of a running graph: in the order of arrival.
        case graph
    }

    /// Creates a file.
    /// - Parameters:
    ///   - kind: how the recording is made.
    ///   - library: the name of this program, with its version.
    /// - Throws: `FileError`, also if there is already a file.
    public init(creating path: String, _ kind: Kind, library: String, options: MCAPWriter.Options = .init()) throws {
        file = try MCAPWriter(creating: path, library: library, options: options)
        try file.add(metadata: ["kind": kind.rawValue], name: Self.metadataName)
    }

    /// The number of messages, those for other programs included.
    public var messageCount: UInt64 { file.messageCount }

    /// Adds an event of a session.
    /// - Parameters:
    ///   - event: a label, a cut, or a reading with its payload.
    ///   - name: the path of the reading's file in its session directory; nil: it has none.
    ///   - logTime: when it was recorded, in nanoseconds; nil: the session's own time, or 0 if that is negative.
    /// - Throws: `FileError`; `SignalRefusal` for a reading without its payload; `MCAPError` where the file is full.
    public func write(_ event: SessionEvent, as name: String? = nil, logTime: UInt64? = nil) throws {
        let time = logTime ?? UInt64(clamping: event.time), published = UInt64(clamping: event.time)
        switch event {
        case .reading(let reading):
            guard case .payload(let raw) = reading.content else { throw SignalRefusal(.missingFile, "a reading without its payload") }
            let message = RecordedReading.with {
                $0.reading = SensorReading(reading, raw, ends: reading.endsMoment ? .utteranceEnd : .none)
                $0.payload = Data(raw.payload)
                $0.file = name ?? ""
            }
            let topic = "sensor.\(raw.modality).\(reading.source)/"
            try add(message, topic: topic, time, published)
            if let drawing = drawing(of: reading, raw) {
                let copy = "/\(reading.session)/\(reading.source)/\(drawing.name)"
                try add(drawing.message, topic: copy, time, published, metadata: [Self.copyKey: topic])
            }
        case .cut(let cut):
            let message = Cut.with {
                $0.stamp.time = cut.time
                $0.stamp.clock = "session"
                $0.session = cut.session
                $0.kind = .explicit
                $0.domain = cut.domain ?? ""
            }
            try add(message, topic: "cut.\(cut.session)/", time, published)
        case .label(let label):
            let message = RecordedFeedback.with {
                $0.feedback.stamp.time = label.time
                $0.feedback.stamp.clock = "session"
                $0.feedback.session = label.session
                $0.feedback.momentEnd = label.time
                $0.feedback.label = UInt32(clamping: label.label)
                $0.feedback.classes = UInt32(clamping: label.classes)
                $0.feedback.knownAt = label.knownAt
                $0.feedback.consent = Consent(named: label.consent)
                $0.domain = label.domain ?? ""
            }
            try add(message, topic: "feedback.\(label.session)/", time, published)
        }
    }

    /// Adds feedback that is no label of a session.
    package func write(_ feedback: Feedback, logTime: UInt64) throws {
        try add(
            RecordedFeedback.with { $0.feedback = feedback }, topic: "feedback.\(feedback.session)/", logTime,
            UInt64(clamping: feedback.stamp.time))
    }

    /// Adds a message of a graph as it is.
    /// - Parameters:
    ///   - message: one of the wire contract.
    ///   - topic: its topic.
    ///   - logTime: when it was recorded, in nanoseconds.
    /// - Throws: `FileError`; `MCAPError` where the file is full.
    package func write(_ message: any Stamped, topic: String, logTime: UInt64) throws {
        try add(message, topic: topic, logTime, UInt64(clamping: message.stamp.time))
    }

    private func add(
        _ message: any SwiftProtobuf.Message, topic: String, _ time: UInt64, _ published: UInt64, metadata: [String: String] = [:]
    ) throws {
        let bytes: [UInt8] = try message.serializedBytes()
        var channel: (id: UInt16, sequence: UInt32)
        if let known = channels[topic] {
            channel = known
        } else {
            let id = try file.addChannel(topic: topic, encoding: "protobuf", schema: schemas[type(of: message)], metadata: metadata)
            channel = (id, 0)
        }
        channel.sequence &+= 1
        channels[topic] = channel
        try file.add(bytes, to: channel.id, sequence: channel.sequence, logTime: time, publishTime: published)
    }

    /// Writes what has been added, so that a crash of this process does not lose it.
    /// - Throws: `FileError`.
    public func flush() throws { try file.flush() }

    /// Writes the end of the file.
    /// - Throws: `FileError`.
    public func finish() throws { try file.finish() }
}
