import Foundation
import Reinforcement
import Safetensors

/// What was decided and what came of it, one line of JSON each: what other policies are judged by.
///
/// `decisions.jsonl` holds the newest lines; when it is full it becomes `decisions.old.jsonl`, whose predecessor is forgotten.
struct DecisionLog {
    private let directory: String
    private let capacity: Int
    private var lines = 0
    private var waiting: [String] = []
    private(set) var failures: UInt64 = 0

    /// Lines that wait to be written at once.
    private static let burst = 256

    /// - Parameter directory: empty: nothing is kept.
    init(directory: String, capacity: Int) {
        self.directory = capacity > 0 ? directory : ""
        self.capacity = capacity
        if let text = try? String(contentsOfFile: Self.path(directory), encoding: .utf8) {  // none yet is none
            lines = text.utf8.count { $0 == UInt8(ascii: "\n") }
        }
    }

    static func path(_ directory: String) -> String { "\(directory)/decisions.jsonl" }
    static func oldPath(_ directory: String) -> String { "\(directory)/decisions.old.jsonl" }

    mutating func append(_ one: LoggedDecision) {
        guard !directory.isEmpty, let data = try? JSONEncoder().encode(one) else { return }  // finite numbers are encoded
        waiting.append(String(decoding: data, as: UTF8.self))
        if waiting.count >= Self.burst { flush() }
    }

    mutating func flush() {
        guard !directory.isEmpty, !waiting.isEmpty else { return }
        defer { waiting.removeAll(keepingCapacity: true) }
        do {
            let files = FileManager.default, path = Self.path(directory)
            try files.createDirectory(atPath: directory, withIntermediateDirectories: true)
            if lines >= capacity {
                if files.fileExists(atPath: Self.oldPath(directory)) { try files.removeItem(atPath: Self.oldPath(directory)) }
                try files.moveItem(atPath: path, toPath: Self.oldPath(directory))
                lines = 0
            }
            if !files.fileExists(atPath: path) { try Data().write(to: URL(filePath: path)) }
            let file = try FileHandle(forWritingTo: URL(filePath: path))
            defer { try? file.close() }  // what was written has been written
            try file.seekToEnd()
            try file.write(contentsOf: Data((waiting.joined(separator: "\n") + "\n").utf8))
            lines += waiting.count
        } catch {
            failures += UInt64(waiting.count)
        }
    }
}
