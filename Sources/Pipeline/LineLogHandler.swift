import Logging
import Schema

/// Writes each log message as one line of standard error, without control characters that a terminal would interpret: parts of it come
/// from outside.
public struct LineLogHandler: LogHandler {
    private var stream: StreamLogHandler

    public init(label: String) { stream = StreamLogHandler.standardError(label: label) }

    public func log(event: LogEvent) {
        var event = event
        event.message = Logger.Message(stringLiteral: event.message.description.printable(atMost: Self.maximumLength))
        stream.log(event: event)
    }

    /// The most characters of a message that are written.
    private static let maximumLength = 2_000

    public subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { stream[metadataKey: key] }
        set { stream[metadataKey: key] = newValue }
    }

    public var metadata: Logger.Metadata {
        get { stream.metadata }
        set { stream.metadata = newValue }
    }

    public var logLevel: Logger.Level {
        get { stream.logLevel }
        set { stream.logLevel = newValue }
    }
}
