import Foundation
import Signals

/// Writes a session: an MCAP file if the path ends in `.mcap`, else a session directory.
public struct SessionOutput {
    private enum Target {
        case directory(SessionWriter)
        case file(RecordingWriter)
    }

    private var target: Target
    /// The number of events written.
    public private(set) var count = 0

    /// - Parameter library: the name of this program, with its version.
    /// - Throws: an error of the file system, also if there is already a session at the path.
    public init(creating path: String, library: String) throws {
        target =
            Self.isFile(path)
            ? .file(try RecordingWriter(creating: path, .session, library: library)) : .directory(try SessionWriter(path: path))
    }

    /// Whether a path is that of an MCAP file, by its ending.
    public static func isFile(_ path: String) -> Bool { path.hasSuffix(".mcap") }

    /// Adds an event.
    /// - Parameters:
    ///   - event: a label, a cut, or a reading with its payload.
    ///   - name: the path of the reading's file in its session directory; nil: it has none.
    /// - Throws: an error of the file system; `SignalRefusal` for a reading that cannot be stored.
    public mutating func write(_ event: SessionEvent, as name: String? = nil) throws {
        switch target {
        case .directory(var writer):
            try writer.write(event, as: name)
            target = .directory(writer)
        case .file(let writer): try writer.write(event, as: name)
        }
        count += 1
    }

    /// Writes what is left.
    /// - Throws: an error of the file system.
    public mutating func finish() throws {
        if case .file(let writer) = target { try writer.finish() }
    }
}

extension Recording {
    /// Copies a session to another place and form; what cannot be read is counted, and passed over.
    /// - Parameters:
    ///   - output: where to; it is finished by the caller.
    ///   - maximumBytes: the greatest size of a reading.
    ///   - refused: called with the reason of everything that is passed over.
    /// - Throws: an error of the file system.
    public func copy(to output: inout SessionOutput, maximumBytes: Int, refused: (String) -> Void) throws {
        guard let directory else {
            var entries = try RecordedEvents(path: path)
            while let entry = entries.next() {
                switch entry.result {
                case .success(let event): try output.write(event, as: entry.file)
                case .failure(let refusal): refused("message \(entry.number): \(refusal)")
                }
            }
            return
        }
        for result in try directory.events() {
            switch result {
            case .success(.reading(var reading)):
                let name: String? = if case .file(let name) = reading.content { name } else { nil }
                do throws(SignalRefusal) {
                    reading.content = .payload(try directory.load(reading, atMost: maximumBytes))
                } catch {
                    refused("\(name ?? reading.source): \(error)")
                    // As in a replay, the moment ends all the same.
                    guard reading.endsMoment else { continue }
                    try output.write(.cut(.init(time: reading.time, session: reading.session, domain: reading.domain)))
                    continue
                }
                try output.write(.reading(reading), as: name)
            case .success(let event): try output.write(event)
            case .failure(let refusal): refused("\(refusal)")
            }
        }
    }
}
