import Files
import Signals
import Statistics

/// A recorded session: a session directory, or an MCAP file.
public struct Recording: Sendable {
    public let path: String
    /// Holds the files that readings name; nil for an MCAP file, whose readings have their contents with them.
    public let directory: SessionDirectory?

    /// - Throws: `missingFile` if there is neither.
    public init(path: String) throws(SignalRefusal) {
        self.path = path
        directory = FileKind(of: path) == .regular ? nil : try SessionDirectory(path: path)
    }

    /// The name of the file whose content identifies the session.
    public var contents: String { directory == nil ? path : path + "/session.jsonl" }

    /// The events in order, read while the sequence is iterated.
    /// - Throws: `missingFile` if there is no session.jsonl, or the file is no MCAP file.
    public func events() throws(SignalRefusal) -> SessionEvents {
        if let directory { return try directory.events() }
        let name = String(path.split(separator: "/").last ?? "")
        return SessionEvents(RecordedLines(try RecordedEvents(path: path)), file: name)
    }

    /// Reads everything once and counts its contents.
    /// - Throws: as `events`.
    public func scan() throws(SignalRefusal) -> SessionScan { SessionScan(try events()) }
}

/// The events of an MCAP file with their numbers.
private struct RecordedLines: IteratorProtocol {
    private var entries: RecordedEvents

    init(_ entries: RecordedEvents) { self.entries = entries }

    mutating func next() -> SessionEvents.Numbered? { entries.next().map { .init(line: $0.number, result: $0.result) } }
}
