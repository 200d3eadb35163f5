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
    /// - Throws: an error of the file system; `SignalRefusal` for a raw reading whose payload does not match its format.
    public mutating func write(_ event: SessionEvent) throws {
        var file: String?
        if case .reading(let reading) = event, case .payload(let raw) = reading.content {
            file = try store(raw)
        }
        try lines.write(contentsOf: encoder.encode(SessionLine(event, file: file, modalities)) + [UInt8(ascii: "\n")])
    }

    /// Stores a payload in a file and returns its path inside the directory; nil for a payload that belongs in the line.
    private mutating func store(_ raw: RawReading) throws -> String? {
        guard let modality = modalities[raw.modality] else { throw SignalRefusal(.unknownModality, "'\(raw.modality.prefix(64))'") }
        guard modality.place == .file else { return nil }
        let (bytes, ending) = try modality.file(of: raw)
        let number = files[raw.modality, default: 0]
        files[raw.modality] = number + 1
        if number == 0 { try FileManager.default.createDirectory(atPath: "\(path)/\(raw.modality)", withIntermediateDirectories: true) }
        let digits = String(number)
        let name = "\(raw.modality)/\(String(repeating: "0", count: max(0, 6 - digits.count)))\(digits).\(ending)"
        try Data(bytes).write(to: URL(fileURLWithPath: "\(path)/\(name)"))
        return name
    }
}
