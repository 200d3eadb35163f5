import Foundation

/// A recorded session: a directory with `session.jsonl`, one JSON object a line in time order, and the files it names.
///
///     {"t": 1.25, "session": "kitchen", "source": "camera", "modality": "image", "file": "image/00000.png"}
///     {"t": 1.26, "session": "kitchen", "source": "head", "modality": "vector", "values": [0.1, 0.2]}
///     {"t": 1.30, "session": "kitchen", "source": "speech", "modality": "text", "text": "what is it", "ends": true}
///     {"t": 1.30, "session": "kitchen", "label": 3, "classes": 10, "known_at": 2.0}
///     {"t": 2.00, "session": "kitchen", "cut": true}
///
/// `t` and `known_at` are seconds; `source` and `session` are 1 to 64 letters, digits, `-` and `_`. `ends` says that the
/// moment ends with this reading; a label belongs to the moment that ends at its `t`. `domain` may stand on every line.
/// Unknown keys and empty lines are passed over. Files are images (PNG, JPEG) and sounds (WAV), told by their first bytes,
/// texts (UTF-8) and vectors (little-endian float32).
public struct SessionDirectory: Sendable {
    public let path: String
    public let limits: Limits

    public struct Limits: Codable, Sendable, Equatable {
        /// Longest line of session.jsonl.
        public var maximumLineBytes = 1 << 20
        /// Largest file that a line may name.
        public var maximumFileBytes = 1 << 26

        public init() {}

        public var problems: [SettingProblem] {
            [
                .unless("maximumLineBytes", maximumLineBytes, in: 64...(1 << 30)),
                .unless("maximumFileBytes", maximumFileBytes, in: 1...(1 << 32)),
            ].compactMap(\.self)
        }
    }

    /// - Throws: `missingFile` if there is no such directory.
    public init(path: String, limits: Limits = Limits()) throws(SignalRefusal) {
        guard let resolved = canonical(path) else { throw SignalRefusal(.missingFile, "there is no directory \(path); a session is a directory with session.jsonl and the files it names (`accrete-simulate --write DIR` writes one)") }
        self.path = resolved
        self.limits = limits
    }

    /// The lines from the first on, read as they are asked for.
    /// - Throws: `missingFile` if there is no session.jsonl.
    public func events() throws(SignalRefusal) -> SessionEvents {
        guard let file = FileHandle(forReadingAtPath: path + "/session.jsonl") else {
            throw SignalRefusal(.missingFile, "\(path) has no session.jsonl that can be read")
        }
        return SessionEvents(lines: LineReader(file: file, maximumBytes: limits.maximumLineBytes), maximumLineBytes: limits.maximumLineBytes)
    }

    /// The reading with its bytes.
    /// - Throws: `missingFile`, `pathOutside`, `tooLarge`, `empty`, `undecodable` (neither PNG, JPEG nor WAV).
    public func load(_ reading: SessionEvent.Reading) throws(SignalRefusal) -> RawReading {
        switch reading.content {
        case .payload(let payload): return payload
        case .file(let name):
            let bytes = try contents(of: name)
            return RawReading(modality: reading.modality, format: try format(of: bytes, modality: reading.modality, name: name), payload: bytes)
        }
    }

    /// Refuses a path that is absolute or climbs.
    static func check(path: String) throws(SignalRefusal) {
        let components = path.split(separator: "/", omittingEmptySubsequences: false)
        guard !path.utf8.contains(0), components.allSatisfy({ !$0.isEmpty && $0 != ".." && $0 != "." }) else {
            throw SignalRefusal(.pathOutside, "'\(path.prefix(256))'")
        }
    }

    private func contents(of name: String) throws(SignalRefusal) -> [UInt8] {
        try Self.check(path: name)
        guard let resolved = canonical(path + "/" + name) else { throw SignalRefusal(.missingFile, name) }
        guard resolved.hasPrefix(path + "/") else { throw SignalRefusal(.pathOutside, "\(name) is a link that leads out") }
        let descriptor = open(resolved, O_RDONLY | O_CLOEXEC | O_NONBLOCK)  // a pipe must not hold us up
        guard descriptor >= 0 else { throw SignalRefusal(.missingFile, "\(name): \(String(cString: strerror(errno)))") }
        let file = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
        var status = stat()
        guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { throw SignalRefusal(.missingFile, "\(name) is not a file") }
        guard status.st_size <= limits.maximumFileBytes else {
            throw SignalRefusal(.tooLarge, "\(name) has \(status.st_size) bytes, at most \(limits.maximumFileBytes) (maximumFileBytes)")
        }
        guard status.st_size > 0 else { throw SignalRefusal(.empty, name) }
        do {
            return Array(try file.read(upToCount: Int(status.st_size)) ?? Data())
        } catch {
            throw SignalRefusal(.missingFile, "\(name): \(error)")
        }
    }

    private func format(of bytes: [UInt8], modality: String, name: String) throws(SignalRefusal) -> String {
        switch modality {
        case "text": return "text/utf-8"
        case "vector": return "vector/f32le"
        case "image" where PNG.recognises(bytes): return "image/png"
        case "image" where JPEG.recognises(bytes): return "image/jpeg"
        case "audio" where WAV.recognises(bytes): return "audio/wav"
        default: throw SignalRefusal(.undecodable, "\(name) is no PNG, JPEG or WAV file of modality \(modality)")
        }
    }
}

/// The path without links and dots, or nil if there is nothing.
private func canonical(_ path: String) -> String? {
    guard let resolved = realpath(path, nil) else { return nil }
    defer { free(resolved) }
    return String(cString: resolved)
}
