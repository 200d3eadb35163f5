import Files
import Foundation
import Learning
import Safetensors

/// A published version with what moved it.
public struct ExplainedUpdate: Codable, Sendable, Equatable {
    /// The version.
    public var version: UInt64
    /// What caused it: `schedule`, `trigger` or `operator`; and why it was published, in words.
    public var cause: String
    public var reason: String
    /// The gate's decision; nil without a gate. What moved it is of the candidate, whether it was accepted or not.
    public var decision: String?
    /// Moments learned since the version before, and the seconds that learning from them took, without explaining it.
    public var learned: Int
    public var seconds: Double
    /// What moved it.
    public var explanation: UpdateExplanation
}

/// The explained versions as a file of a checkpoint directory: one JSON object per line, newest last.
public enum InfluenceFile {
    /// The file's name.
    public static let name = "influence.jsonl"
    /// The most versions that are kept; of more, the oldest are discarded.
    static let most = 64
    /// The greatest size of the file, in bytes.
    private static let largest = 16 << 20

    static func text(of updates: [ExplainedUpdate]) -> String {
        let encoder = JSONEncoder()
        encoder.keyEncodingStrategy = .convertToSnakeCase
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        // What has numbers that are not finite is left out.
        return updates.compactMap { try? encoder.encode($0) }.map { String(decoding: $0, as: UTF8.self) + "\n" }.joined()
    }

    /// The versions of a file. Lines that cannot be read are skipped.
    /// - Throws: `FileDamage` where the file does not match the list of digests beside it; `FileError`.
    public static func read(_ path: String) throws -> [ExplainedUpdate] {
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        _ = try FileDigests.checked(URL(filePath: path).deletingLastPathComponent().path) { $0 == name }
        return try readFile(path, atMost: largest).split(separator: UInt8(ascii: "\n")).compactMap {
            try? decoder.decode(ExplainedUpdate.self, from: Data($0))
        }
    }
}
