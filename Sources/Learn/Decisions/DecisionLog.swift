import Files
import Foundation
import Glibc
import Reinforcement
import Safetensors

/// The log of decisions and their rewards, one line of JSON each, from which other policies are evaluated.
///
/// `decisions.jsonl` holds the newest lines; when it is full it replaces `decisions.old.jsonl`. Every line ends with the first digits of
/// its own SHA-256, so that a damaged line is skipped when the log is read.
struct DecisionLog {
    private let directory: String
    private let capacity: Int
    private var lines = 0
    private var waiting: [String] = []
    /// Decisions that could not be written.
    private(set) var failures: UInt64 = 0

    /// The number of lines that are written together.
    private static let burst = 256

    /// - Parameters:
    ///   - directory: empty: nothing is stored.
    ///   - capacity: the lines of one file; 0: nothing is stored.
    init(directory: String, capacity: Int) {
        self.directory = capacity > 0 ? directory : ""
        self.capacity = capacity
        guard !self.directory.isEmpty, let text = try? Self.read(Self.path(directory)) else { return }  // none yet is none
        lines = text.count { $0 == UInt8(ascii: "\n") }
        // A line that a killed process had begun is ended, so that the next one starts on its own line.
        // On failure the next flush reports the reason.
        if let last = text.last, last != UInt8(ascii: "\n") { try? Self.append(Array("\n".utf8), to: Self.path(directory)) }
    }

    static func path(_ directory: String) -> String { "\(directory)/decisions.jsonl" }
    static func oldPath(_ directory: String) -> String { "\(directory)/decisions.old.jsonl" }

    /// Whether a burst waits to be written.
    var isFull: Bool { waiting.count >= Self.burst }

    mutating func append(_ one: LoggedDecision) {
        guard !directory.isEmpty, let data = try? JSONEncoder().encode(one) else { return }  // finite numbers are encoded
        waiting.append(Self.sealed(String(decoding: data, as: UTF8.self)))
    }

    /// Writes the waiting lines. Those that cannot be written are lost and counted.
    /// - Throws: `FileError`.
    mutating func flush() throws(FileError) {
        guard !directory.isEmpty, !waiting.isEmpty else { return }
        defer { waiting.removeAll(keepingCapacity: true) }
        do throws(FileError) {
            let path = Self.path(directory)
            try prepareDirectory(at: directory)
            if lines >= capacity {
                guard rename(path, Self.oldPath(directory)) == 0 || errno == ENOENT else {
                    throw FileError(path, .cannotWrite("it cannot become \(Self.oldPath(directory)): \(String(cString: strerror(errno)))"))
                }
                lines = 0
            }
            try Self.append(Array((waiting.joined(separator: "\n") + "\n").utf8), to: path)
            lines += waiting.count
        } catch {
            failures += UInt64(waiting.count)
            throw error
        }
    }

    /// Appends to a regular file, all or nothing unless the process is killed meanwhile.
    private static func append(_ bytes: [UInt8], to path: String) throws(FileError) {
        func failed() -> FileError { FileError(path, .cannotWrite(String(cString: strerror(errno)))) }
        if let kind = FileKind(of: path), kind != .regular { throw FileError(path, .wrongKind(kind)) }
        let descriptor = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NONBLOCK, 0o666)
        guard descriptor >= 0 else { throw failed() }
        defer { close(descriptor) }
        let size = lseek(descriptor, 0, SEEK_END)
        var rest = bytes[...]
        while !rest.isEmpty {
            let written = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if written < 0, errno == EINTR { continue }
            guard written > 0 else {
                let error = failed()
                ftruncate(descriptor, size)
                throw error
            }
            rest = rest.dropFirst(written)
        }
    }

    // MARK: Reading

    private static func read(_ path: String) throws(FileError) -> [UInt8] { try readFile(path, atMost: largest) }

    /// The greatest size of a log that is read, in bytes.
    private static let largest = 1 << 31

    /// The decisions of a directory's logs, oldest first, and the number of lines that cannot be read or are damaged.
    /// - Throws: `FileError` where a log exists and cannot be read.
    static func decisions(of directory: String) throws(FileError) -> (log: [LoggedDecision], unreadable: Int) {
        var log: [LoggedDecision] = [], unreadable = 0
        for path in [oldPath(directory), path(directory)] where fileExists(path) {
            for line in try read(path).split(separator: UInt8(ascii: "\n")) {
                if isWhole(line), let one = try? JSONDecoder().decode(LoggedDecision.self, from: Data(line)) {
                    log.append(one)
                } else {
                    unreadable += 1
                }
            }
        }
        return (log, unreadable)
    }

    /// A line with its digest as the last member.
    private static func sealed(_ line: String) -> String { "\(line.dropLast())\(mark)\(digest(Array(line.utf8.dropLast())))\"}" }

    /// Whether a line matches its digest; one without a digest, which another program wrote, is accepted.
    private static func isWhole(_ line: ArraySlice<UInt8>) -> Bool {
        let tail = mark.utf8.count + digestLength + 2
        guard line.count > tail, line.dropLast(digestLength + 2).suffix(mark.utf8.count).elementsEqual(mark.utf8) else { return true }
        return line.dropLast(2).suffix(digestLength).elementsEqual(digest(Array(line.dropLast(tail))).utf8)
    }

    private static func digest(_ bytes: [UInt8]) -> String { String(SHA256.hex(of: bytes).prefix(digestLength)) }

    private static let mark = ",\"digest\":\"", digestLength = 16
}
