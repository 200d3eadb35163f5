import Files
import Foundation
import Learning
import Schema

/// The ledger as it stands in a checkpoint's directory: one JSON object a line, newest last.
public enum LedgerFile {
    public static let name = "ledger.jsonl"

    public static func text(of entries: [TriggerEntry]) -> String {
        let encoder = JSONEncoder()
        encoder.keyEncodingStrategy = .convertToSnakeCase
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return entries.compactMap { try? encoder.encode($0) }.map { String(decoding: $0, as: UTF8.self) + "\n" }.joined()  // an entry holds finite numbers only
    }

    /// The most bytes that are read of a ledger.
    private static let byteLimit = 1 << 28

    /// The ledger's lines. One that cannot be read costs itself only. Throws `FileError`.
    public static func read(_ path: String) throws(FileError) -> [TriggerEntry] {
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        return try readFile(path, atMost: byteLimit).split(separator: UInt8(ascii: "\n")).compactMap { try? decoder.decode(TriggerEntry.self, from: Data($0)) }
    }
}

extension TriggerEntry {
    /// As it goes over the wire.
    func message(at ordinal: UInt64) -> TriggerLine {
        .with {
            $0.serial = UInt64(serial)
            $0.rule = rule
            $0.action = action.rawValue
            $0.verdict = verdict.rawValue
            $0.time = time
            if let signal { $0.signal = signal }
            $0.evaluations = UInt64(evaluations)
            if let cost { $0.cost = cost }
            if let before { $0.before = before }
            if let after { $0.after = after }
            $0.note = note ?? ""
            $0.ordinal = ordinal
        }
    }
}
