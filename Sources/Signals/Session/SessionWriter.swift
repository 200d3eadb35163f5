import Files
import Foundation
import Statistics

/// Writes a session directory, one event at a time. Pictures and sounds are stored in separate files, words and vectors in the line;
/// raw pictures become PNG and raw sounds WAV, which is lossless for 8-bit pixels and 16-bit mono samples.
public struct SessionWriter {
    private let path: String
    private let lines: FileHandle
    private let encoder = JSONEncoder()
    private let modalities: Named<any Modality.Type>
    private var files: [String: Int] = [:]

    public struct Failure: Error, CustomStringConvertible {
        public let description: String
    }

    /// Creates a session directory.
    /// - Throws: `Failure` if there is already a session at `path`, or it cannot be created.
    public init(path: String, modalities: Named<any Modality.Type> = Signals.modalities) throws {
        self.path = path
        self.modalities = modalities
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        let descriptor = open(path + "/session.jsonl", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else {
            throw Failure(description: "\(path)/session.jsonl cannot be created: \(String(cString: strerror(errno)))")
        }
        lines = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
    }

    /// Appends an event.
    /// - Parameters:
    ///   - event: a reading, a label or a cut.
    ///   - name: the path of its file inside the directory, if that is still free or has the same content; nil: a number.
    /// - Throws: an error of the file system; `SignalRefusal` for a raw reading whose payload does not match its format, and for a name
    ///   that leads out of the directory.
    public mutating func write(_ event: SessionEvent, as name: String? = nil) throws {
        var file: String?
        if case .reading(let reading) = event, case .payload(let raw) = reading.content {
            file = try name.flatMap { try store(raw, under: $0) } ?? store(raw)
        }
        try lines.write(contentsOf: encoder.encode(SessionLine(event, file: file, modalities)) + [UInt8(ascii: "\n")])
    }

    /// Stores a payload in a file and returns its path inside the directory; nil for a payload that belongs in the line.
    private mutating func store(_ raw: RawReading) throws -> String? {
        guard let modality = modalities[raw.modality] else { throw SignalRefusal(.unknownModality, "'\(raw.modality.prefix(64))'") }
        guard modality.place == .file else { return nil }
        let (bytes, ending) = try modality.file(of: raw)
        while true {
            let digits = String(files[raw.modality, default: 0])
            files[raw.modality, default: 0] += 1
            let name = "\(raw.modality)/\(String(repeating: "0", count: max(0, 6 - digits.count)))\(digits).\(ending)"
            if try create(name, bytes) { return name }
        }
    }

    /// Stores a payload as it is under a given name; nil if no such file can be made, because the name is taken by another content or a
    /// part of it is a file's.
    private func store(_ raw: RawReading, under name: String) throws(SignalRefusal) -> String? {
        try SessionDirectory.check(path: name)
        if (try? create(name, raw.payload)) == true { return name }
        return (try? readFile("\(path)/\(name)", atMost: raw.payload.count)) == raw.payload ? name : nil
    }

    /// Writes a new file; false if there is already one of this name.
    private func create(_ name: String, _ bytes: [UInt8]) throws -> Bool {
        let file = "\(path)/\(name)"
        guard !fileExists(file) else { return false }
        try makeDirectory(at: URL(fileURLWithPath: file).deletingLastPathComponent().path)
        try OutputFile(creating: file).append(bytes)
        return true
    }
}
