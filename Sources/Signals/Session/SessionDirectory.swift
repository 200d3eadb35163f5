import Files
import Glibc
import Statistics

/// A recorded session: a directory with `session.jsonl`, which has one JSON object on each line in time order, and the files it names.
///
///     {"t": 1.25, "session": "kitchen", "source": "camera", "modality": "image", "file": "image/00000.png"}
///     {"t": 1.26, "session": "kitchen", "source": "head", "modality": "vector", "values": [0.1, 0.2]}
///     {"t": 1.30, "session": "kitchen", "source": "speech", "modality": "text", "text": "what is it", "ends": true}
///     {"t": 1.30, "session": "kitchen", "label": 3, "classes": 10, "known_at": 2.0}
///     {"t": 2.00, "session": "kitchen", "cut": true}
///
/// `t` and `known_at` are seconds; `source` and `session` are 1 to 64 letters, digits, `-` and `_`. With `ends` the
/// moment ends with this reading; a label belongs to the moment that ends at its `t`. Every line may have a `domain`.
/// A pose or a picture may say its `coordinates` and `camera`. Unknown keys and empty lines are ignored. Files are images (PNG, JPEG) and sounds (WAV), recognised by their first bytes,
/// texts (UTF-8) and vectors (little-endian float32).
public struct SessionDirectory: Sendable {
    public let path: String
    public let limits: Limits
    private let modalities: Named<any Modality.Type>

    public struct Limits: Codable, Sendable, Equatable {
        /// The maximum length of a line of session.jsonl, in bytes.
        public var maximumLineBytes = 1 << 20
        /// The maximum size of a file named by a line, in bytes.
        public var maximumFileBytes = 1 << 26

        public init() {}

        public var problems: [SettingsError] {
            [
                .unless("maximumLineBytes", maximumLineBytes, in: 64...(1 << 30)),
                .unless("maximumFileBytes", maximumFileBytes, in: 1...(1 << 32)),
            ].compactMap(\.self)
        }
    }

    /// - Throws: `missingFile` if there is no such directory.
    public init(
        path: String, limits: Limits = Limits(), modalities: Named<any Modality.Type> = Signals.modalities
    ) throws(SignalRefusal) {
        guard let resolved = canonical(path) else {
            throw SignalRefusal(
                .missingFile,
                "there is no \(path); a session is a directory with session.jsonl and the files it names "
                    + "(`accrete-simulate --write DIR` writes one), or an MCAP file"
            )
        }
        self.path = resolved
        self.limits = limits
        self.modalities = modalities
    }

    /// The events in order, read while the sequence is iterated.
    /// - Throws: `missingFile` if there is no session.jsonl.
    public func events() throws(SignalRefusal) -> SessionEvents {
        do {
            let lines = try LineReader(path: path + "/session.jsonl", maximumBytes: limits.maximumLineBytes)
            return SessionEvents(
                SessionLines(lines, maximumLineBytes: limits.maximumLineBytes, modalities: modalities), file: "session.jsonl")
        } catch {
            throw SignalRefusal(.missingFile, "\(path) has no session.jsonl that can be read: \(error.cause)")
        }
    }

    /// Loads the contents of a reading.
    /// - Parameters:
    ///   - reading: a reading of this session.
    ///   - limit: the maximum size of its file in bytes, if below `maximumFileBytes`.
    /// - Throws: `missingFile`, `pathOutside`, `tooLarge`, `empty`, `undecodable` (a file that its modality does not read).
    public func load(_ reading: SessionEvent.Reading, atMost limit: Int = .max) throws(SignalRefusal) -> RawReading {
        switch reading.content {
        case .payload(let payload): return payload
        case .file(let name):
            let bytes = try contents(of: name, atMost: min(limit, limits.maximumFileBytes))
            return RawReading(
                modality: reading.modality, format: try format(of: bytes, modality: reading.modality, name: name), payload: bytes)
        }
    }

    /// Checks that a path is relative and has no empty, `.` or `..` components.
    /// - Throws: `pathOutside`.
    static func check(path: String) throws(SignalRefusal) {
        let components = path.split(separator: "/", omittingEmptySubsequences: false)
        guard !path.utf8.contains(0), components.allSatisfy({ !$0.isEmpty && $0 != ".." && $0 != "." }) else {
            throw SignalRefusal(.pathOutside, "'\(path.prefix(256))'")
        }
    }

    private func contents(of name: String, atMost limit: Int) throws(SignalRefusal) -> [UInt8] {
        try Self.check(path: name)
        guard let resolved = canonical(path + "/" + name) else { throw SignalRefusal(.missingFile, name) }
        guard resolved.hasPrefix(path == "/" ? path : path + "/") else {
            throw SignalRefusal(.pathOutside, "\(name) is a link to a file outside the session's directory")
        }
        let bytes: [UInt8]
        do throws(FileError) {
            bytes = try readFile(resolved, atMost: limit)
        } catch {
            if case .tooLarge = error.reason { throw SignalRefusal(.tooLarge, "\(name) has more than \(limit) bytes") }
            throw SignalRefusal(.missingFile, "\(name): \(error.sentence)")
        }
        guard !bytes.isEmpty else { throw SignalRefusal(.empty, name) }
        return bytes
    }

    private func format(of bytes: [UInt8], modality: String, name: String) throws(SignalRefusal) -> String {
        guard let type = modalities[modality] else { throw SignalRefusal(.unknownModality, "'\(modality.prefix(64))'") }
        guard let format = type.format(ofFile: bytes) else {
            throw SignalRefusal(
                .undecodable, "\(name) is not a file of modality \(modality), which reads \(type.formats.joined(separator: ", "))")
        }
        return format
    }
}

/// The absolute path without links, `.` and `..`; nil if the path does not exist.
private func canonical(_ path: String) -> String? {
    guard let resolved = realpath(path, nil) else { return nil }
    defer { free(resolved) }
    return String(cString: resolved)
}
